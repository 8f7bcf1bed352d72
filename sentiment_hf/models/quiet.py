"""Keep back what the libraries say of a checkpoint that is as it should be; what a user must know is said here."""

import logging as standard_logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging

# Notes of transformers on what is as it should be: special tokens of a decoder, attention over short texts.
# A checkpoint of a run is compared with its manifest before it is loaded.
CHATTER = (
    "The tokenizer has new PAD/BOS/EOS tokens",
    "Attention type 'block_sparse' is not possible",
    "Initializing global attention on CLS token",
    "Input ids are automatically padded",
    # `say_odd_choice` says so, with and without early stopping.
    "Using EarlyStoppingCallback without load_best_model_at_end=True",
    # Tied weights are saved once.
    "There were missing keys in the checkpoint model loaded",
)


def is_worth_a_line(record: standard_logging.LogRecord) -> bool:
    """Whether a note of transformers is none of `CHATTER`, or the user asks for notes."""
    return logging.get_verbosity() < logging.WARNING or not record.getMessage().startswith(CHATTER)


def keep_back_chatter() -> None:
    """Hide the notes in `CHATTER` from now on; a second call changes nothing."""
    for handler in standard_logging.getLogger("transformers").handlers:
        handler.addFilter(is_worth_a_line)


@contextmanager
def quiet_loading() -> Iterator[None]:
    """Hide the load report of transformers and the warnings of peft, which call a head that belongs there missing.

    The report stays if the user asks for more than warnings, by TRANSFORMERS_VERBOSITY=info.
    """
    verbosity = logging.get_verbosity()
    if verbosity == logging.WARNING:
        logging.set_verbosity_error()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logging.set_verbosity(verbosity)

"""Keep back what the libraries say while a checkpoint is loaded: `load_checkpoint` says what a user must know."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from transformers.utils import logging


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

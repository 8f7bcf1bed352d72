"""Texts to probabilities, in batches, by whatever computes the logits of a batch."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import Rows
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encoded import pad
from sentiment_hf.text.windows import encoded_texts, pooled

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# Numbers in the states of a layer that a CPU computes at a time. With more of them they do not stay in its cache:
# MiniLM took 1.25 times as long for reviews of 256 tokens, 64 at a time, and an LSTM 1.3 times.
STATES_AT_A_TIME = 2**20

# The size of the states of a model whose configuration does not say it.
USUAL_SIZE = 768


def state_size(config: Mapping[str, Any]) -> int:
    """The numbers in the state of a token, by the fields of config.json."""
    return config.get("hidden_size") or USUAL_SIZE


def batch_of(length: int, batch_size: int, state_size: int) -> int:
    """The texts of a batch whose longest has `length` tokens: `batch_size`, fewer if the states are many."""
    # A tokenizer without tokens of its own makes none of an empty text.
    of_a_text = max(1, length) * state_size
    return min(batch_size, max(1, STATES_AT_A_TIME // of_a_text)) if of_a_text else batch_size


def score_texts(
    ref: ModelRef,
    engine: Callable[[dict[str, np.ndarray]], np.ndarray],
    state_size: int,
    tokenizer: "PreTrainedTokenizerBase",
    task: Task,
    texts: Sequence[str] | Rows,
    batch_size: int,
) -> np.ndarray:
    """(texts, outputs) probabilities, of `Rows` with the columns beside the texts.

    engine: inputs of a batch -> (batch, outputs) logits. state_size: as for `batch_of`.

    Texts are cut to the `model_max_length` of the tokenizer, or read in windows of as many tokens if the model was
    trained so.

    The longest texts come first: a batch that does not fit into memory is met at once.

    Raises InputError if the model, whose code may be that of a user, fails on the texts.
    """
    columns = texts.columns.inputs if isinstance(texts, Rows) else {}
    texts = list(texts.texts if isinstance(texts, Rows) else texts)
    encoded = encoded_texts(texts, tokenizer).with_columns(columns)

    def of_rows(rows: np.ndarray) -> np.ndarray:
        return engine(pad(encoded.select(rows), tokenizer))

    logits = in_batches(ref, of_rows, encoded.lengths, len(task.labels), batch_size, state_size)
    return task.probabilities(pooled(logits, encoded, tokenizer)).astype(np.float64)


def score_together(
    ref: ModelRef,
    engine: Callable[[dict[str, np.ndarray]], np.ndarray],
    state_size: int,
    tokenizers: Mapping[str, "PreTrainedTokenizerBase"],
    task: Task,
    texts: Sequence[str],
    batch_size: int,
) -> np.ndarray:
    """As `score_texts`, for a graph of several models: each text is read by every tokenizer.

    tokenizers: by what the names of their inputs end with.
    """
    encoded = {suffix: encoded_texts(list(texts), tokenizer) for suffix, tokenizer in tokenizers.items()}

    def of_rows(rows: np.ndarray) -> np.ndarray:
        inputs = {}
        for suffix, tokenizer in tokenizers.items():
            padded = pad(encoded[suffix].select(rows), tokenizer)
            inputs |= {f"{name}{suffix}": values for name, values in padded.items()}
        return engine(inputs)

    lengths = np.max([one.lengths for one in encoded.values()], axis=0)
    logits = in_batches(ref, of_rows, lengths, len(task.labels), batch_size, state_size)
    return task.probabilities(logits).astype(np.float64)


def in_batches(
    ref: ModelRef,
    engine: Callable[[np.ndarray], np.ndarray],
    lengths: np.ndarray,
    outputs: int,
    batch_size: int,
    state_size: int,
) -> np.ndarray:
    """(rows, outputs) logits of rows of (rows,) `lengths`, the longest first; raises InputError if the model fails.

    engine: (batch,) numbers of rows -> (batch, outputs) logits.
    """
    order = np.argsort(-lengths, kind="stable")
    logits = np.empty((len(lengths), outputs), np.float32)
    start = 0
    while start < len(lengths):
        rows = order[start : start + batch_of(int(lengths[order[start]]), batch_size, state_size)]
        start += len(rows)
        try:
            logits[rows] = engine(rows)
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{ref.flag} {ref.name} fails on these texts ({type(error).__name__}): {reason}"
            ) from error
    return logits

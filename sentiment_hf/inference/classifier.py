"""Classifies batches of texts by a checkpoint or an adapter; the only part of the scorer that imports torch."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from transformers import BatchEncoding, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema, Rows
from sentiment_hf.models.checkpoint import checkpoint_reading, checkpoint_tokenizer, load_checkpoint
from sentiment_hf.models.quiet import keep_back_chatter
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encoded import pad
from sentiment_hf.text.windows import encoded_texts, pooled

# Numbers in the states of a layer that a CPU computes at a time. With more of them they do not stay in its cache:
# MiniLM took 1.25 times as long for reviews of 256 tokens, 64 at a time, and an LSTM 1.3 times.
STATES_AT_A_TIME = 2**20

# The size of the states of a model whose configuration does not say it.
USUAL_SIZE = 768


def load_classifier(
    ref: ModelRef, device: str | None = None
) -> tuple[Task, Callable[[Sequence[str] | Rows, int], np.ndarray], Reading | None, ColumnSchema | None]:
    """The fields of a `Scorer`: the task, the function from texts and batch size to (texts, outputs) probabilities,
    the columns of the text if known, and those beside it.

    The model is moved to `device`; None means the accelerator if there is one.

    Raises:
        InputError: the model cannot be loaded, has no trained head, or has a head for another task.
    """
    return classifier_of(ref, *load_trained(ref, device))


def load_trained(ref: ModelRef, device: str | None = None) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """The model in eval mode on `device`, and its tokenizer; device and errors are those of `load_classifier`."""
    # This hides the progress bar for loading weights, which takes a moment only.
    logging.disable_progress_bar()
    keep_back_chatter()
    ref.require_task()
    tokenizer = checkpoint_tokenizer(ref)
    model = load_checkpoint(ref, tokenizer, trains=False).eval()
    if device is None:
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    return model.to(device), tokenizer


def classifier_of(
    ref: ModelRef, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase
) -> tuple[Task, Callable[[Sequence[str] | Rows, int], np.ndarray], Reading | None, ColumnSchema | None]:
    """The fields of a `Scorer` of a loaded model, as `load_classifier` has them."""
    task = task_of_model(model.config)
    columns = ColumnSchema.of_config(model.config.to_dict())
    # On a GPU the states of a layer need not stay in a cache.
    size = state_size(model.config) if model.device.type == "cpu" else 0
    score = partial(score_texts, ref, partial(logits_of, model), size, tokenizer, task)
    return task, score, checkpoint_reading(ref), columns


def state_size(config: PreTrainedConfig) -> int:
    """The numbers in the state of a token."""
    return getattr(config, "hidden_size", None) or USUAL_SIZE


@torch.inference_mode()
def logits_of(model: PreTrainedModel, inputs: BatchEncoding) -> np.ndarray:
    """(batch, outputs) float32."""
    return model(**inputs.to(model.device)).logits.float().cpu().numpy()


def batch_of(length: int, batch_size: int, state_size: int) -> int:
    """The texts of a batch whose longest has `length` tokens: `batch_size`, fewer if the states are many."""
    # A tokenizer without tokens of its own makes none of an empty text.
    of_a_text = max(1, length) * state_size
    return min(batch_size, max(1, STATES_AT_A_TIME // of_a_text)) if of_a_text else batch_size


def score_texts(
    ref: ModelRef,
    engine: Callable[[BatchEncoding], np.ndarray],
    state_size: int,
    tokenizer: PreTrainedTokenizerBase,
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
    order = np.argsort(-encoded.lengths, kind="stable")
    logits = np.empty((len(encoded), len(task.labels)), np.float32)
    start = 0
    while start < len(encoded):
        rows = order[start : start + batch_of(int(encoded.lengths[order[start]]), batch_size, state_size)]
        start += len(rows)
        try:
            logits[rows] = engine(pad(encoded.select(rows), tokenizer))
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{ref.flag} {ref.name} fails on these texts ({type(error).__name__}): {reason}"
            ) from error
    return task.probabilities(pooled(logits, encoded, tokenizer)).astype(np.float64)

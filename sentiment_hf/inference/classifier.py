"""Classifies batches of texts by a checkpoint or an adapter; the only part of the scorer that imports torch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from sentiment_hf.common.errors import InputError
from sentiment_hf.models.checkpoint import checkpoint_reading, checkpoint_tokenizer, load_checkpoint, resolve_on_hub
from sentiment_hf.models.quiet import keep_back_chatter
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import encode
from sentiment_hf.text.encoded import EncodedTexts, pad


def load_classifier(
    ref: ModelRef, device: str | None = None
) -> tuple[Task, Callable[[list[str], int], np.ndarray], Reading | None]:
    """The task, the function from texts and batch size to (texts, outputs) probabilities, and the columns if known.

    The model is moved to `device`; None means the accelerator if there is one.

    Raises:
        InputError: the model cannot be loaded, has no trained head, or has a head for another task.
    """
    # This hides the progress bar for loading weights, which takes a moment only.
    logging.disable_progress_bar()
    keep_back_chatter()
    ref = resolve_on_hub(ref)
    ref.require_one_class_per_text()
    tokenizer = checkpoint_tokenizer(ref)
    model = load_checkpoint(ref, tokenizer, trains=False).eval()
    if device is None:
        device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else "cpu"
    task = task_of_model(model.config)
    return task, partial(score_texts, ref, model.to(device), tokenizer, task), checkpoint_reading(ref)


@torch.inference_mode()
def score_texts(
    ref: ModelRef,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    task: Task,
    texts: list[str],
    batch_size: int,
) -> np.ndarray:
    """(texts, outputs) probabilities; texts are cut to the `model_max_length` of the tokenizer.

    The longest texts come first: a batch that does not fit into memory is met at once.

    Raises InputError if the model, whose code may be that of a user, fails on the texts.
    """
    encoded = EncodedTexts.of(encode(texts, tokenizer))
    order = np.argsort(-encoded.lengths, kind="stable")
    probabilities = np.empty((len(texts), len(task.labels)))
    for start in range(0, len(texts), batch_size):
        rows = order[start : start + batch_size]
        inputs = pad(encoded.select(rows), tokenizer).to(model.device)
        try:
            logits = model(**inputs).logits
        except (ValueError, TypeError, RuntimeError, LookupError, AttributeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(
                f"{ref.flag} {ref.name} fails on these texts ({type(error).__name__}): {reason}"
            ) from error
        probabilities[rows] = task.probabilities(logits)
    return probabilities

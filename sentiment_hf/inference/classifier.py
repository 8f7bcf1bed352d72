"""Classifies batches of texts by a checkpoint or an adapter; the only part of the scorer that imports torch."""

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from sentiment_hf.common.extra_columns import ColumnSchema, Rows
from sentiment_hf.inference.scoring import score_texts, state_size
from sentiment_hf.models.checkpoint import checkpoint_reading, checkpoint_tokenizer, load_checkpoint
from sentiment_hf.models.quiet import keep_back_chatter
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.task import Task
from sentiment_hf.training.bf16_gains import auto_bf16, device_sets


def load_classifier(
    ref: ModelRef, device: str | None = None, threads: int | None = None, bf16: bool = False
) -> tuple[Task, Callable[[Sequence[str] | Rows, int], np.ndarray], Reading | None, ColumnSchema | None]:
    """The fields of a `Scorer`: the task, the function from texts and batch size to (texts, outputs) probabilities,
    the columns of the text if known, and those beside it.

    The model is moved to `device`; None means the accelerator if there is one. On a CPU torch has so many `threads`,
    if they are given, from now on. bf16: compute mostly in bfloat16 where `auto_bf16` says that it is faster.

    Raises:
        InputError: the model cannot be loaded, has no trained head, or has a head for another task.
    """
    if threads:
        torch.set_num_threads(threads)
    model, tokenizer = load_trained(ref, device)
    in_bf16 = bf16 and auto_bf16(ref.model_type, device_sets(model.device))[0]
    return classifier_of(ref, model, tokenizer, in_bf16)


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
    ref: ModelRef, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, bf16: bool = False
) -> tuple[Task, Callable[[Sequence[str] | Rows, int], np.ndarray], Reading | None, ColumnSchema | None]:
    """The fields of a `Scorer` of a loaded model, as `load_classifier` has them."""
    task = task_of_model(model.config)
    columns = ColumnSchema.of_config(model.config.to_dict())
    # On a GPU the states of a layer need not stay in a cache.
    size = state_size(model.config.to_dict()) if model.device.type == "cpu" else 0
    score = partial(score_texts, ref, partial(logits_of, model, bf16), size, tokenizer, task)
    return task, score, checkpoint_reading(ref), columns


@torch.inference_mode()
def logits_of(model: PreTrainedModel, bf16: bool, inputs: dict[str, np.ndarray]) -> np.ndarray:
    """(batch, outputs) float32, computed mostly in bfloat16 if `bf16`."""
    tensors = {name: torch.from_numpy(values).to(model.device) for name, values in inputs.items()}
    with torch.autocast(model.device.type, torch.bfloat16, enabled=bf16):
        return model(**tensors).logits.float().cpu().numpy()

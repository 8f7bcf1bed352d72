"""A checkpoint or an adapter on the fastest device: the half of the scorer that needs torch."""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from transformers import DataCollatorWithPadding, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from sentiment_hf.models.checkpoint import checkpoint_tokenizer, fetched, load_checkpoint
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encode import encode


def load_classifier(ref: ModelRef) -> tuple[Task, Callable[[list[str]], np.ndarray]]:
    """The task with the labels of the model, and what makes (texts, outputs) probabilities of one batch of texts.

    Raises:
        InputError: the model cannot be loaded, or has no trained head.
    """
    # The bar would be for the reading of weights, which are there at once.
    logging.disable_progress_bar()
    ref = fetched(ref)
    tokenizer = checkpoint_tokenizer(ref)
    model = load_checkpoint(ref, tokenizer, trains=False).eval()
    device = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else torch.device("cpu")
    task = task_of_model(model.config)
    return task, partial(score_batch, model.to(device), tokenizer, task)


@torch.inference_mode()
def score_batch(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, task: Task, texts: list[str]
) -> np.ndarray:
    """(texts, outputs) probabilities; texts are cut to the length that is saved with the tokenizer."""
    inputs = DataCollatorWithPadding(tokenizer)(encode(texts, tokenizer)).to(model.device)
    return task.probabilities(model(**inputs).logits)

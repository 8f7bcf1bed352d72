"""Classifies texts by an exported graph, in ONNX Runtime on the CPU."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from transformers import PreTrainedConfig

from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.common.extra_columns import ColumnSchema, Rows
from sentiment_hf.common.layout import CONFIG, ONNX_FILE
from sentiment_hf.inference.classifier import score_texts, state_size
from sentiment_hf.models.checkpoint import checkpoint_reading, checkpoint_tokenizer
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# What a row without a cell has, by the type of an input: no number, and the code of no category.
MISSING = {"tensor(float)": np.float32(np.nan), "tensor(int32)": np.int32(0), "tensor(int64)": np.int64(0)}


def load_graph(
    ref: ModelRef,
) -> tuple[Task, Callable[[Sequence[str] | Rows, int], np.ndarray], Reading | None, ColumnSchema | None]:
    """As `load_classifier`, of an exported graph; raises InputError if a file of it is missing or damaged."""
    ref.require_task()
    config = PreTrainedConfig.from_json_file(ref.folder / CONFIG)
    tokenizer, session = checkpoint_tokenizer(ref), open_session(ref.folder / ONNX_FILE)
    task = task_of_model(config)
    score = partial(score_texts, ref, partial(run_session, session), state_size(config), tokenizer, task)
    return task, score, checkpoint_reading(ref), ColumnSchema.of_config(config.to_dict())


def open_session(file: Path) -> "InferenceSession":
    """The graph in `file`, with as many threads as torch has; raises InputError if it cannot be read."""
    with extra_explained("onnx"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # Errors are raised; what it prints besides is about graphs that others made.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime has no common class for its errors.
        raise InputError(f"{file} is no graph that ONNX Runtime can read: {' '.join(str(error).split())}") from error


def run_session(session: "InferenceSession", inputs: Mapping[str, torch.Tensor]) -> np.ndarray:
    """(batch, outputs) logits. Columns that are not among the inputs are missing in all rows.

    Raises RuntimeError if the graph fails on them.
    """
    rows, feed = len(inputs["input_ids"]), {}
    for wanted in session.get_inputs():
        nothing = MISSING[wanted.type]
        if wanted.name in inputs:
            feed[wanted.name] = inputs[wanted.name].numpy().astype(nothing.dtype)
        else:
            feed[wanted.name] = np.full((rows, wanted.shape[1]), nothing)
    try:
        return session.run(None, feed)[0]
    except Exception as error:
        raise RuntimeError(str(error)) from error

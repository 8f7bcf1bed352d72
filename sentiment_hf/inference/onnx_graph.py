"""Classifies texts by an exported graph, in ONNX Runtime on the CPU. It needs no torch."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from transformers import PreTrainedTokenizerFast

from sentiment_hf.common.cores import available_cores
from sentiment_hf.common.errors import InputError, extra_explained, failure_explained
from sentiment_hf.common.extra_columns import ColumnSchema, Rows
from sentiment_hf.common.files import read_json
from sentiment_hf.common.layout import CONFIG, MEMBERS, ONNX_FILE, READING
from sentiment_hf.common.members import suffix_of, tokenizer_folders
from sentiment_hf.inference.scoring import score_texts, score_together, state_size
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

# What a row without a cell has, by the type of an input: no number, and the code of no category.
MISSING = {"tensor(float)": np.float32(np.nan), "tensor(int32)": np.int32(0), "tensor(int64)": np.int64(0)}


def load_graph(
    ref: ModelRef, threads: int | None = None
) -> tuple[Task, Callable[[Sequence[str] | Rows, int], np.ndarray], Reading | None, ColumnSchema | None]:
    """As `load_classifier`, of an exported graph; raises InputError if a file of it is missing or damaged."""
    ref.require_task()
    config, session = read_json(ref.folder / CONFIG), open_session(ref.folder / ONNX_FILE, threads)
    tokenizers = graph_tokenizers(ref)
    names = [wanted.name for wanted in session.get_inputs()]
    for suffix, tokenizer in tokenizers.items():
        tokenizer.model_input_names = [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
    task = task_named(ref.task or SingleLabel.name, ref.labels, ref.task_settings, ref.folder)
    engine, size = partial(run_session, session), state_size(config)
    if MEMBERS in config:
        score = partial(score_together, ref, engine, size, tokenizers, task)
    else:
        score = partial(score_texts, ref, engine, size, tokenizers[""], task)
    return task, score, Reading.load(ref.folder / READING), ColumnSchema.of_config(config)


def graph_tokenizers(ref: ModelRef) -> dict[str, PreTrainedTokenizerFast]:
    """{what the names of its inputs end with: tokenizer}; raises InputError if one cannot be read."""
    folders = tokenizer_folders(ref.folder)
    suffixes = [""] if folders == [ref.folder] else [suffix_of(number) for number in range(len(folders))]
    with failure_explained(ref.name, ref.flag):
        tokenizers = [PreTrainedTokenizerFast.from_pretrained(folder) for folder in folders]
    return dict(zip(suffixes, tokenizers, strict=True))


def open_session(file: Path, threads: int | None = None) -> "InferenceSession":
    """The graph in `file`, with so many threads (None: one for each core); raises InputError if it cannot be read."""
    with extra_explained("onnx"):
        import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or available_cores()
    # Errors are raised; what it prints besides is about graphs that others made.
    options.log_severity_level = 3
    try:
        return onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        # ONNX Runtime has no common class for its errors.
        raise InputError(f"{file} is no graph that ONNX Runtime can read: {' '.join(str(error).split())}") from error


def run_session(session: "InferenceSession", inputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """(batch, outputs) logits. Columns that are not among the inputs are missing in all rows.

    Raises RuntimeError if the graph fails on them.
    """
    rows, feed = len(next(iter(inputs.values()))), {}
    for wanted in session.get_inputs():
        nothing = MISSING[wanted.type]
        if wanted.name in inputs:
            feed[wanted.name] = inputs[wanted.name].astype(nothing.dtype)
        else:
            feed[wanted.name] = np.full((rows, wanted.shape[1]), nothing)
    try:
        return session.run(None, feed)[0]
    except Exception as error:
        raise RuntimeError(str(error)) from error

"""What the model of --teacher says of the texts that a new model learns from; asked once, and kept in the cache."""

import hashlib
import logging
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.splits import Splits
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.inference.scorer import Scorer, load_scorer
from sentiment_hf.runs.identity import weights_hash
from sentiment_hf.runs.origin import report_of
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.training.bf16_gains import auto_bf16, device_sets

logger = logging.getLogger(__name__)

# The file of an entry of the cache.
OUTPUTS = "outputs.parquet"

# The odds of the answer of a teacher against any other are at most e^6; to learn that it is surer still takes effort.
SMALLEST = 1 / (1 + np.exp(6))


def ask_teacher(spec: RunSpec, splits: Splits) -> dict[str, np.ndarray]:
    """{part: (rows, outputs) logits of the teacher} of the texts without labels, and of train unless it saw them.

    Of validation, too, if it did not see train, for a second fit on both. A model is surer of the texts that it was
    trained on than of others, so that what it says of them teaches little beside their labels.

    Raises InputError as `ready_teacher`.
    """
    ref = spec.teacher
    scorer, parts = ready_teacher(spec, splits)
    if "train" not in parts:
        logger.warning("--teacher %s was trained on these rows: on train the labels count alone", ref.name)
    else:
        logger.warning(
            "--teacher %s: it is not known what it was trained on; if that was rows of this test part, their labels "
            "reach the model through it",
            ref.name,
        )
    ask = partial(outputs_for, scorer, spec, f"{weights_hash(ref)}{' bf16' if gains_by_bf16(ref) else ''}")
    names = list(scorer.task.labels)
    order = [names.index(name) for name in splits.task.labels] if len(names) > 1 else [0]
    return {
        part: splits.task.logits(ask(texts)[:, order], SMALLEST).astype(np.float32) for part, texts in parts.items()
    }


def ready_teacher(spec: RunSpec, splits: Splits) -> tuple[Scorer, dict[str, LabelledTexts]]:
    """Load the teacher. Returns it with the parts that it is asked about.

    Raises InputError: the teacher cannot be loaded, has another task or other labels, or has nothing to say.
    """
    ref = spec.teacher
    parts = {} if saw_train(ref, splits) else {"train": splits.train, "validation": splits.validation}
    parts |= {"unlabelled": splits.unlabelled} if splits.unlabelled else {}
    if not parts:
        raise InputError(
            f"--teacher {ref.name} was trained on these rows, and teaches by texts that it did not see: add "
            "--unlabelled_file"
        )
    scorer = load_scorer(ref, bf16=True)
    require_teacher(ref, scorer, splits)
    return scorer, parts


def gains_by_bf16(ref: ModelRef) -> bool:
    """Whether the teacher, or a member of it, answers in bfloat16, which is faster on this machine."""
    folders = load_ensemble(ref.folder).folders if ref.kind is Kind.ENSEMBLE else []
    members = [ModelRef.in_folder(folder, trust_remote_code=ref.trust_remote_code) for folder in folders]
    sets = device_sets(torch.accelerator.current_accelerator(check_available=True) or torch.device("cpu"))
    return any(auto_bf16(one.model_type, sets)[0] for one in (ref, *members))


def saw_train(ref: ModelRef, splits: Splits) -> bool:
    """Whether the teacher, or the run of which it is a checkpoint, has the same test part: then it knows train."""
    report = report_of(ref)
    return report is not None and report.test_hash == splits.test_hash


def require_teacher(ref: ModelRef, scorer: Scorer, splits: Splits) -> None:
    """Raise InputError unless the teacher has the task and the labels of the data, and reads texts alone."""
    task = splits.task
    if scorer.task.name != task.name:
        raise InputError(f"--teacher {ref.name} is for the task {scorer.task.name}, and the data are for {task.name}")
    if not task.has_labels(scorer.task.labels):
        raise InputError(
            f"--teacher {ref.name} knows {list(scorer.task.labels)}, and the data have {list(task.labels)}"
        )
    if scorer.extra_column_names:
        raise InputError(
            f"--teacher {ref.name} reads the columns {', '.join(scorer.extra_column_names)} beside the text; a "
            "teacher reads texts alone"
        )


def outputs_for(scorer: Scorer, spec: RunSpec, answers: str, texts: LabelledTexts) -> np.ndarray:
    """(texts, outputs) probabilities by the teacher, from the cache if it was asked before.

    answers: what they depend on beside the texts: the hash of the weights, and bf16.
    """
    batch_size = spec.training["per_device_eval_batch_size"]
    key = hashlib.sha256(f"{answers} {texts.texts_hash}".encode()).hexdigest()

    def ask() -> np.ndarray:
        logger.warning("--teacher %s: asked about %s texts", spec.teacher.name, f"{len(texts):,}")
        return scorer.classify(texts.texts, batch_size)

    folder = spec.data.cache.folder(f"teacher-{key}", lambda home: save(ask(), scorer.task.labels, home / OUTPUTS))
    return ask() if folder is None else load(folder / OUTPUTS)


def save(outputs: np.ndarray, labels: Sequence[str], file: Path) -> None:
    """Write (texts, outputs) as a table with a column per label."""
    columns = [pa.array(column, pa.float32()) for column in outputs.T]
    pq.write_table(pa.table(columns, names=list(labels)), file)


def load(file: Path) -> np.ndarray:
    """What `save` wrote."""
    return np.stack([column.to_numpy() for column in pq.read_table(file).columns], axis=1)

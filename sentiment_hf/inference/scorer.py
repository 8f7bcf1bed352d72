"""`Scorer`: classifies texts by a checkpoint, an adapter, a fitted baseline or an ensemble."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema, MemberRows, Rows
from sentiment_hf.common.layout import READING
from sentiment_hf.common.redaction import recognizers, redacted_texts
from sentiment_hf.inference.ensemble import load_ensemble
from sentiment_hf.models.safety import require_checkpoint
from sentiment_hf.runs.report import knows_no_labels
from sentiment_hf.settings.model_ref import MODELS, Kind, ModelRef
from sentiment_hf.settings.reading import Reading
from sentiment_hf.tasks.task import Task

if TYPE_CHECKING:
    import pyarrow as pa
    from sklearn.pipeline import Pipeline

    from sentiment_hf.data.table import Table

# What a model classifies: texts, or rows with columns beside them.
Inputs = Sequence[str] | Rows | MemberRows

# Texts are tokenized, and sorted by length, within pools of this many batches. The results of a pool come together.
BATCHES_PER_POOL = 32


@dataclass(frozen=True)
class Scorer:
    """A model that is ready to classify.

    task: the task with the labels of the model.
    score: texts and the number of texts in a batch -> (texts, outputs) probabilities. `rows_of` makes `Rows`
        or `MemberRows` in place of texts, which have columns beside the text; without them all cells are missing.
    reading: the columns that the model was trained on; None if they are not known.
    columns: those beside the text; None without any.
    members: the scorers of an ensemble.
    """

    task: Task
    score: Callable[[Inputs, int], np.ndarray]
    reading: Reading | None
    columns: ColumnSchema | None = None
    members: "Sequence[Scorer]" = ()

    @property
    def extra_column_names(self) -> list[str]:
        """The columns in front of the text or beside it that the model, or a member, was trained with."""
        own = self.reading.extra_column_names if self.reading else ()
        own = [*own, *(self.columns.names if self.columns else ())]
        return [*dict.fromkeys([*own, *(name for member in self.members for name in member.extra_column_names)])]

    def __post_init__(self):
        """Raise InputError if what the model expects of texts needs a package that is missing."""
        if self.redacts:
            recognizers()

    @property
    def redacts(self) -> bool:
        """Whether the model was trained without personal data (--redact), and so reads texts without them."""
        return bool(self.reading and self.reading.redact)

    def as_trained(self, inputs: Inputs) -> Inputs:
        """Texts, or rows, as in training: without personal data if it was so there."""
        if not self.redacts:
            return inputs
        if isinstance(inputs, MemberRows):
            return MemberRows([self.as_trained(member) for member in inputs.members])
        if isinstance(inputs, Rows):
            return replace(inputs, texts=redacted_texts(inputs.texts)[0])
        return redacted_texts(inputs)[0]

    def rows_of(self, table: "Table", texts: "pa.ChunkedArray") -> Inputs:
        """What to classify of a table with these `texts`; each member of an ensemble reads its own columns.

        Raises InputError: a column is missing, or a cell cannot be read.
        """
        # Imported for a table only, because it imports `datasets`.
        from sentiment_hf.inference.table_rows import rows_of

        if self.members and self.extra_column_names:
            return MemberRows([member.rows_of(table, texts) for member in self.members])
        return rows_of(table, texts, self.reading, self.columns)

    def classify(self, texts: Inputs, batch_size: int) -> np.ndarray:
        """(texts, outputs) probabilities in the order of `texts`; raises what `classify_pools` raises."""
        return np.concatenate([np.empty((0, len(self.task.labels))), *self.classify_pools(texts, batch_size)])

    def classify_pools(self, texts: Inputs, batch_size: int) -> Iterator[np.ndarray]:
        """Yield the (some texts, outputs) probabilities of one pool of texts after the other.

        Raises InputError if the model refuses a text, or a probability is not finite.
        """
        pool = BATCHES_PER_POOL * batch_size
        with tqdm(total=len(texts), desc="Classifying", disable=len(texts) <= batch_size) as bar:
            for start in range(0, len(texts), pool):
                probabilities = self.score(self.as_trained(texts[start : start + pool]), batch_size)
                if len(broken := np.flatnonzero(~np.isfinite(probabilities).all(axis=1))):
                    raise InputError(
                        f"the probabilities of text {start + broken[0] + 1:,} of {len(texts):,} are not finite: the "
                        "weights of the model are damaged, or its numbers overflow on this text"
                    )
                bar.update(len(probabilities))
                yield probabilities


def load_scorer(ref: ModelRef, device: str | None = None, threads: int | None = None, bf16: bool = False) -> Scorer:
    """Load the model that `ref` names, on a `device` as torch names it (None: the accelerator if there is one).

    threads: of the CPU, for each batch; None: a thread for each core. bf16: a checkpoint computes mostly in bfloat16
    where that is faster. An exported graph needs no torch, and stays on the CPU in float32.

    Raises:
        InputError: the model cannot be loaded, or it is a new model, which is not trained.
    """
    if ref.is_new:
        raise InputError(
            f"{ref.name} is a new model, which is not trained: train it by `sentiment-hf run --model {ref.name}` "
            f"and name the folder of the run; a folder of that name is ./{ref.name}"
        )
    if ref.kind is Kind.ENSEMBLE:
        return ensemble_scorer(ref, device, threads, bf16)
    # Each kind needs other packages. They are imported only for that kind, and after the checks that do without them.
    if ref.kind is Kind.BASELINE:
        from sentiment_hf.baselines.storage import load_baseline

        return baseline_scorer(ref, *load_baseline(ref))
    if ref.is_language_model and ref.is_local and ref.model_type in MODELS:
        raise knows_no_labels(ref.name)
    require_checkpoint(ref)
    if ref.folder is None or ref.base:
        from sentiment_hf.models.resolve import resolve_on_hub

        ref = resolve_on_hub(ref)
    if ref.kind is Kind.ONNX:
        from sentiment_hf.inference.onnx_graph import load_graph

        return Scorer(*load_graph(ref, threads))
    from sentiment_hf.inference.classifier import load_classifier

    return Scorer(*load_classifier(ref, device, threads, bf16))


def baseline_scorer(ref: ModelRef, estimator: "Pipeline", task: Task) -> Scorer:
    """The scorer of a fitted baseline."""
    from sentiment_hf.baselines.columns import columns_of, predict_rows

    reading, columns = Reading.load(ref.folder / READING), columns_of(estimator)
    return Scorer(task, lambda texts, _: predict_rows(estimator, texts), reading, columns)


def ensemble_scorer(ref: ModelRef, device: str | None, threads: int | None, bf16: bool) -> Scorer:
    """The scorer of an ensemble. The outputs of each member are put into the order of the labels of the ensemble."""
    ensemble = load_ensemble(ref.folder)
    task, members = ensemble.task, []
    for folder in ensemble.folders:
        member = ModelRef.in_folder(folder, trust_remote_code=ref.trust_remote_code, flag=ref.flag)
        scorer = load_scorer(member, device, threads, bf16)
        order = [scorer.task.labels.index(label) for label in task.labels]
        members.append((scorer, scorer.task.in_order(task.labels), order))

    def score(texts: Sequence[str] | MemberRows, batch_size: int) -> np.ndarray:
        of_each = texts.members if isinstance(texts, MemberRows) else [texts] * len(members)
        probabilities = np.stack(
            [
                scorer.score(rows, batch_size)[:, order]
                for (scorer, _, order), rows in zip(members, of_each, strict=True)
            ]
        )
        # Each member has thresholds of its own.
        chosen = [own.decide(found) for (_, own, _), found in zip(members, probabilities, strict=True)]
        return ensemble.combine(probabilities, np.stack(chosen))

    # Members are on the same data, so the text columns of one are those of all.
    reading = members[0][0].reading
    if len({scorer.redacts for scorer, *_ in members}) > 1:
        raise InputError(
            f"{ref.flag} {ref.name}: some of its members were trained with --redact, and others without; make the "
            "ensemble of runs that read the same texts"
        )
    reading = reading and replace(reading, extra_column_names=(), columns_as_text=False)
    return Scorer(task, score, reading, members=[scorer for scorer, *_ in members])

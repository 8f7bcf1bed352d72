"""`Report`: what a finished run is, what it cost and how it scored; report.json, and the table on the screen."""

import dataclasses
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import REPORT
from sentiment_hf.tasks.saved import task_named
from sentiment_hf.tasks.task import Task

# Of the keys of report.json. A later schema may only add keys as long as it has this number.
SCHEMA = 1

# The way on from an output folder that cannot be read.
REPLACE = "choose another folder, or give --overwrite"

# Of reports that were written before this key.
DEFAULT_TASK = "single_label"

# Keys that only some runs have; in report.json of the others they do not stand.
OF_SOME = ("members", "chosen", "search", "validation", "test")


@dataclass
class Report:
    """report.json by attribute. None is what is not known, as in a report of an older version, or does not apply.

    model, model_type, model_revision, tuning, embed_with, base_model: what was trained or scored; `tuning` as
        `RunSpec.how` says it, or "ensemble".
    recipe, seed, command, fingerprint: how to make it again.
    dataset, dataset_id, data, duplicates, data_hash, test_hash: the data, its notes and hashes.
    task, labels: what a label is, "single_label" in every report before this key, and the names of the outputs.
    train_seconds, train_tokens, ..._per_second: of training steps only, without validation and saving.
    max_seq_length, vocabulary: in tokens. train_texts_at_max_seq_length: share of the training texts.
    validation, test: scores as `tasks` has them, rates as fractions; None where the part was not scored.
    peak_memory_bytes: of the first process, or of the card. bytes_on_disk: where it is measured.
    chosen, search: the strength of a baseline, and all that were tried. members: those of an ensemble.
    """

    model: str
    tuning: str
    dataset: str
    labels: list[str]
    data: dict[str, Any]
    schema: int = SCHEMA
    task: str = DEFAULT_TASK
    model_type: str | None = None
    model_revision: str | None = None
    embed_with: str | None = None
    base_model: str | None = None
    license: str | None = None
    dataset_id: str | None = None
    seed: int | None = None
    recipe: str | None = None
    command: str | None = None
    duplicates: dict[str, Any] | None = None
    fingerprint: str | None = None
    data_hash: str | None = None
    test_hash: str | None = None
    parameters: int | None = None
    trainable_parameters: int | None = None
    train_seconds: float | None = None
    train_tokens: int | None = None
    train_tokens_per_second: float | None = None
    train_texts_per_second: float | None = None
    epochs: float | None = None
    steps: int | None = None
    best_step: int | None = None
    processes: int | None = None
    mixed_precision: str | None = None
    max_seq_length: int | None = None
    truncation: str | None = None
    train_texts_at_max_seq_length: float | None = None
    vocabulary: int | None = None
    bytes_on_disk: int | None = None
    members: list[dict[str, Any]] | None = None
    chosen: dict[str, float] | None = None
    search: list[dict[str, Any]] | None = None
    validation: dict[str, Any] | None = None
    test: dict[str, Any] | None = None
    threads: int | None = None
    device: str | None = None
    peak_memory_bytes: int | None = None
    peak_gpu_memory_bytes: int | None = None
    versions: dict[str, str] = dataclasses.field(default_factory=dict)
    # Where the run lies; not a part of report.json, for folders are moved.
    folder: Path | None = None

    def as_task(self) -> Task:
        """The task of the run; raises InputError where this version does not know it."""
        return task_named(self.task, self.labels, self.folder)

    def as_json(self) -> dict[str, Any]:
        """The content of report.json."""
        content = {name: value for name, value in vars(self).items() if name != "folder"}
        return {name: value for name, value in content.items() if value is not None or name not in OF_SOME}

    def save(self, folder: Path) -> None:
        """Write report.json, whole or not at all."""
        write_json(folder / REPORT, self.as_json())

    @classmethod
    def from_json(cls, content: dict[str, Any], source: Path) -> Self:
        """The report in the content of a report.json, also of an older version; what it lacks is None.

        Raises:
            InputError: `content` is no report, or one of a later schema than this version knows.
        """
        if not isinstance(content, dict):
            raise InputError(f"{source} is no report of a run: expected a JSON object, found {content!r:.40}")
        if lacking := [name for name in ("model", "tuning", "dataset", "labels", "data") if name not in content]:
            raise InputError(f"{source} is no report of a run: it has no {', '.join(lacking)}")
        if content.get("schema", SCHEMA) > SCHEMA:
            raise InputError(
                f"{source} was written by a later version (schema {content['schema']}, known up to {SCHEMA}); "
                "update sentiment-hf"
            )
        known = {field.name for field in dataclasses.fields(cls)}
        return cls(**{name: value for name, value in content.items() if name in known} | {"folder": source.parent})

    @classmethod
    def load(cls, folder: Path, *way_on: str) -> Self:
        """The report of the finished run in `folder`; InputError, which ends in the `way_on`, where it is damaged."""
        return cls.from_json(read_json(folder / REPORT, *way_on), folder / REPORT)


def command() -> str:
    """The words that started this process, of the program its name only."""
    return shlex.join([Path(sys.argv[0]).name.replace("__main__.py", "sentiment-hf"), *sys.argv[1:]])


def table(report: Report) -> str:
    """The result of a run as aligned text, for the end of the run and for a finished one that is asked again."""
    lines = [
        ("model", f"{report.model} ({report.tuning})"),
        ("dataset", report.dataset if report.seed is None else f"{report.dataset}, seed {report.seed}"),
        ("parameters", f"{report.parameters:,}, of them trained {report.trainable_parameters:,}"),
    ]
    if report.train_seconds:
        speed = report.train_tokens_per_second
        lines.append(("training", f"{report.train_seconds / 60:.1f} min, {speed:,.0f} tokens/s"))
    lines.append(("peak memory", f"{report.peak_memory_bytes / 2**20:,.0f} MiB"))
    for split in ("validation", "test"):
        if scores := getattr(report, split):
            lines.append((split, report.as_task().summary(scores)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)

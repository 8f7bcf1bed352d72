"""Finished runs from their folders or from published comparisons, all on the same test rows and classes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import MODEL_FILES, PREDICTIONS, REPORT, RUNS
from sentiment_hf.runs.published import Kept, read_folder, read_published
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.recipes import Settings
from sentiment_hf.tasks.task import Predicted, Task

# What of the notes on the data may differ: runs on fewer training rows are points of a learning curve, the same data
# set can lie on the Hub and in a folder, and older reports do not say where theirs did.
OF_TRAIN = {"sampled", "rows", "empty_texts", "hub_id", "config"}


@dataclass(frozen=True, eq=False)
class Run:
    """One finished run.

    folder: the folder of the run; of a published run, which has none, that of the comparison joined with its name.
    seed: None for an ensemble of several seeds.
    task: with the labels in the order of the first of the runs, the same for all; report.labels is as it was saved.
    test, validation: what the run predicted for these rows. Probabilities were saved in float16 and are rescaled to
        sum to 1. `validation` is None where it was not kept.
    curve: what was logged on the way, an object a line of metrics.jsonl; empty without that file.
    inference: what inference.json says of speed, or None.
    settings: where in the grid of a recipe it stands; {} elsewhere.
    """

    folder: Path
    name: str
    kind: str
    tuning: str
    seed: int | None
    report: Report
    task: Task
    test: Predicted
    validation: Predicted | None
    curve: list[dict]
    inference: dict | None
    settings: Settings = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """The names of the classes in the order of the class ids in `test` and `validation`."""
        return list(self.task.labels)

    @property
    def labels(self) -> np.ndarray:
        """(rows,) class ids of the test rows."""
        return self.test.labels

    @property
    def predictions(self) -> np.ndarray:
        """(rows,) predicted class ids of the test rows."""
        return self.test.predictions

    @property
    def probabilities(self) -> np.ndarray:
        """(rows, classes) probabilities of the test rows."""
        return self.test.probabilities

    @property
    def train_rows(self) -> int:
        """Rows that it was trained on."""
        return self.report.data["rows"]["train"]


def load_runs(folders: Sequence[str | Path], settings: Mapping[str, Settings] | None = None) -> list[Run]:
    """The runs in these folders, with the classes of each numbered as in the first.

    A folder is that of a run, or a published comparison, which stands for all its runs. `settings` are those of the
    runs of a grid, by the name of the run.

    Raises:
        InputError: a folder holds no finished run with a scored test part, or two runs cannot be compared.
    """
    if not folders:
        raise InputError("nothing to compare: name the folders of finished runs, as in out/imdb/*")
    folders = list({Path(folder).resolve(): Path(folder) for folder in folders}.values())
    unfinished = [folder for folder in folders if not (is_published(folder) or (folder / REPORT).is_file())]
    if unfinished:
        raise InputError(
            f"no finished run in {', '.join(map(str, unfinished))}: a finished one has a {REPORT}, a folder of "
            f"published ones a {RUNS}; finish these runs by their own command, or leave the folders out"
        )
    runs = [run for folder in folders for run in load_folder(folder)]
    runs = [replace(run, settings=(settings or {}).get(run.name, {})) for run in runs]
    runs = [in_order_of(run, runs[0]) for run in runs]
    for run in runs[1:]:
        require_same_data(runs[0], run)
    require_same_hashes(runs)
    return runs


def is_published(folder: Path) -> bool:
    """True for a folder of runs that are kept without their weights."""
    return (folder / RUNS).is_file()


def load_folder(folder: Path) -> list[Run]:
    """The run of a folder of its own, or all runs of a published comparison, each with its classes as they were saved.

    Raises InputError where a file is damaged, or a run has no test scores.
    """
    if is_published(folder):
        return [as_run(folder / kept.name, kept) for kept in read_published(folder)]
    return [as_run(folder, read_folder(folder))]


def as_run(folder: Path, kept: Kept) -> Run:
    """The run of what is kept of it; `folder` names it in messages. Raises InputError where test is missing."""
    report = Report.from_json(kept.report, folder / REPORT)
    if not report.test:
        raise InputError(f"{folder}: this run did not score test; run it again with --do_predict to compare it")
    if "test" not in kept.parts:
        raise InputError(f"{folder} has a report and no {PREDICTIONS['test']}; run that run again, or leave it out")
    parts = {part: scored.rescaled() for part, scored in kept.parts.items()}
    rows = len(parts["test"].labels)
    if rows != report.test["rows"]:
        raise InputError(
            f"{folder}: {PREDICTIONS['test']} has {rows} rows, but {REPORT} beside it says {report.test['rows']}; "
            "they are of two runs"
        )
    return Run(
        folder=folder,
        name=kept.name,
        kind=kind(report),
        tuning=report.tuning,
        seed=report.seed,
        report=report,
        task=report.as_task(),
        test=parts["test"],
        validation=parts.get("validation"),
        curve=kept.history,
        inference=kept.inference,
    )


def size_of(folder: Path) -> int:
    """Bytes of weights, tokenizer and settings, of an adapter without its base; 0 where only the report is kept."""
    return sum(path.stat().st_size for path in {path for name in MODEL_FILES for path in folder.glob(name)})


def kind(report: Report) -> str:
    """baseline, scratch, ensemble or pretrained: what the comparison is about."""
    return report.tuning if report.tuning in ("baseline", "scratch", "ensemble") else "pretrained"


def in_order_of(run: Run, first: Run) -> Run:
    """The run with its classes numbered as in `first`: a checkpoint brings an order of its own."""
    names, order = run.task.labels, first.task.labels
    if sorted(names) != sorted(order):
        raise InputError(
            f"{run.folder} has the classes {', '.join(names)}, {first.folder} has {', '.join(order)}; compare runs on "
            "the same classes"
        )
    ids = run.task.places_in(order)
    validation = run.validation and run.validation.renumbered(ids)
    return replace(run, task=first.task, test=run.test.renumbered(ids), validation=validation)


def require_same_data(first: Run, run: Run) -> None:
    """Both runs have the same test rows and the same train rows, or samples of these; raises InputError."""
    notes = [_notes(run.report.data) for run in (first, run)]
    for name in notes[0].keys() & notes[1].keys():
        if notes[0][name] != notes[1][name]:
            _refuse(first, run, f"{name}: {notes[0][name]!r} in the one, {notes[1][name]!r} in the other")
    if len(first.labels) != len(run.labels):
        _refuse(first, run, f"{len(first.labels)} test rows in the one, {len(run.labels)} in the other")
    hashes = {one.report.test_hash for one in (first, run)} - {None}
    if len(hashes) > 1:
        _refuse(first, run, "their test texts are not the same (test_hash of the reports)")
    if (differs := first.labels != run.labels).any():
        row, count = int(np.flatnonzero(differs)[0]), int(differs.sum())
        _refuse(first, run, f"{count} test rows have another label, the first of them is row {row}")


def _notes(data: dict) -> dict:
    """What the reports have to agree on."""
    notes = {name: value for name, value in data.items() if name not in OF_TRAIN}
    sampled = {f"sample of {part}": data["sampled"].get(part) for part in ("validation", "test")}
    return notes | sampled | {f"rows of {part}": data["rows"][part] for part in ("validation", "test")}


def require_same_hashes(runs: list[Run]) -> None:
    """Texts and labels are the same wherever reports have their hash; raises InputError."""
    known: dict[tuple, Run] = {}
    for run in runs:
        if run.report.data_hash:
            # The hash is over train and over class ids: a sample of train or another order of the classes has its own.
            first = known.setdefault((run.train_rows, *run.report.labels), run)
            if first.report.data_hash != run.report.data_hash:
                _refuse(first, run, "texts or labels are not the same (data_hash of the reports)")


def _refuse(first: Run, run: Run, reason: str) -> None:
    raise InputError(f"{first.folder} and {run.folder} are not on the same data, so they cannot be compared: {reason}")

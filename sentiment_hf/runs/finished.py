"""Loads finished runs from run folders and published comparisons, and checks that they can be compared."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import MODEL_FILES, PREDICTIONS, REPORT, RUNS, TOKENIZER
from sentiment_hf.runs.published import KeptRun, read_published, read_run_folder
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.recipes import Settings
from sentiment_hf.tasks.task import Predicted, Task

# Notes on the data that may differ between compared runs: runs on fewer training rows form a learning curve, the same
# data set can be read from the Hub or from a folder, older reports do not have `hub_id` and `config`, and the rows of
# train with and without a review can be compared by the rows of test, which it does not change.
NOTES_THAT_MAY_DIFFER = {"sampled", "rows", "empty_texts", "hub_id", "config", "commit", "reviewed"}


@dataclass(frozen=True, eq=False)
class Run:
    """One finished run.

    folder: the folder of the run; for a published run, the folder of the comparison joined with the name of the run.
    kind: "baseline", "scratch", "ensemble" or "pretrained".
    seed: None for an ensemble of several seeds.
    task: the task, with the labels in the order of the first loaded run. `report.labels` has the saved order.
    test, validation: labels and predictions of these rows. Probabilities were saved in float16 and are rescaled to
        sum to 1. `validation` is None if its predictions were not kept.
    curve: the logged metrics, one object per line of metrics.jsonl; empty without this file.
    inference: the speed in inference.json, or None without this file.
    languages: {part: (rows,) languages}; a part whose languages are not known has no entry.
    settings: the values that a grid of a recipe varies, for this run; {} without a grid.
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
    languages: dict[str, np.ndarray] = field(default_factory=dict)
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
        """Number of rows that the run was trained on."""
        return self.report.data["rows"]["train"]


def load_runs(folders: Sequence[str | Path], settings: Mapping[str, Settings] | None = None) -> list[Run]:
    """Load the runs in `folders`, with the class ids of all runs in the order of the first run.

    A folder is a run folder or a published comparison, of which all runs are loaded. `settings` maps the name of a
    run to its settings in a grid.

    Raises:
        InputError: a folder holds no finished run with a scored test part, or two runs cannot be compared.
    """
    if not folders:
        raise InputError("nothing to compare: name the folders of finished runs, as in out/imdb/*")
    folders = list({Path(folder).resolve(): Path(folder) for folder in folders}.values())
    unfinished = [folder for folder in folders if not (is_published(folder) or (folder / REPORT).is_file())]
    for folder in unfinished:
        if any(folder.glob(f"*/{REPORT}")):
            raise InputError(f"{folder} is no run, and there are runs in it: name them, as in {folder}/*")
    if unfinished:
        raise InputError(
            f"no finished run in {', '.join(map(str, unfinished))}: a finished one has a {REPORT}, a folder of "
            f"published ones a {RUNS}; finish these runs by their own command, or leave the folders out"
        )
    runs = [run for folder in folders for run in load_runs_in(folder)]
    runs = [replace(run, settings=(settings or {}).get(run.name, {})) for run in runs]
    runs = [with_class_order_of(run, runs[0]) for run in runs]
    for run in runs[1:]:
        require_same_data(runs[0], run)
    require_same_hashes(runs)
    return runs


def is_published(folder: Path) -> bool:
    """True if `folder` is a published comparison: runs that are kept without their weights."""
    return (folder / RUNS).is_file()


def load_runs_in(folder: Path) -> list[Run]:
    """The run in a run folder, or all runs of a published comparison; class ids are in the saved order of each run.

    Raises InputError if a file is damaged, or a run has no test scores.
    """
    if is_published(folder):
        return [run_of_kept(folder / kept.name, kept) for kept in read_published(folder)]
    return [run_of_kept(folder, read_run_folder(folder))]


def run_of_kept(folder: Path, kept: KeptRun) -> Run:
    """Make a `Run` of a `KeptRun`; `folder` names the run in messages.

    Raises InputError if test was not scored, or its predictions are missing or belong to another run.
    """
    report = Report.from_json(kept.report, folder / REPORT)
    if not report.test:
        raise InputError(f"{folder}: this run did not score test; run it again with --do_predict to compare it")
    if "test" not in kept.parts:
        raise InputError(f"{folder} has a report and no {PREDICTIONS['test']}; run that run again, or leave it out")
    task = report.as_task()
    parts = {part: task.rescaled(scored) for part, scored in kept.parts.items()}
    rows = len(parts["test"].labels)
    if rows != report.test["rows"]:
        raise InputError(
            f"{folder}: {PREDICTIONS['test']} has {rows} rows, but {REPORT} beside it says {report.test['rows']}; "
            "the two files belong to different runs"
        )
    return Run(
        folder=folder,
        name=kept.name,
        kind=kind_of_model(report),
        tuning=report.tuning,
        seed=report.seed,
        report=report,
        task=task,
        test=parts["test"],
        validation=parts.get("validation"),
        curve=kept.history,
        inference=kept.inference,
        languages=kept.languages,
    )


def model_bytes(folder: Path) -> int:
    """Bytes of weights, tokenizer and settings; for an adapter without its base; 0 if only the report is kept."""
    names = [*MODEL_FILES, *(f"[0-9]*/{name}" for name in TOKENIZER)]
    return sum(path.stat().st_size for path in {path for name in names for path in folder.glob(name)})


def kind_of_model(report: Report) -> str:
    """The group of a model in comparisons: "baseline", "scratch", "ensemble" or "pretrained"."""
    return report.tuning if report.tuning in ("baseline", "scratch", "ensemble") else "pretrained"


def with_class_order_of(run: Run, first: Run) -> Run:
    """`run` with its class ids in the order of `first`; raises InputError if the classes differ.

    Runs can differ in this order, because a run on a checkpoint keeps the order of the checkpoint.
    """
    names, order = run.task.labels, first.task.labels
    if run.task.name != first.task.name:
        raise InputError(
            f"{run.folder} is of the task {run.task.name}, {first.folder} of {first.task.name}; compare runs of one "
            "task"
        )
    if not run.task.has_labels(order):
        raise InputError(
            f"{run.folder} has the classes {', '.join(names)}, {first.folder} has {', '.join(order)}; compare runs on "
            "the same classes"
        )
    validation = run.validation and run.task.predicted_in(order, run.validation)
    return replace(
        run, task=run.task.in_order(order), test=run.task.predicted_in(order, run.test), validation=validation
    )


def require_same_data(first: Run, run: Run) -> None:
    """Raise InputError unless both runs have the same test rows, and the same train rows or samples of them."""
    notes = [notes_to_compare(run.report.data) for run in (first, run)]
    for name in notes[0].keys() & notes[1].keys():
        if notes[0][name] != notes[1][name]:
            refuse_comparison(first, run, f"{name}: {notes[0][name]!r} in the one, {notes[1][name]!r} in the other")
    if len(first.labels) != len(run.labels):
        refuse_comparison(first, run, f"{len(first.labels)} test rows in the one, {len(run.labels)} in the other")
    hashes = {one.report.test_hash for one in (first, run)} - {None}
    if len(hashes) > 1:
        refuse_comparison(first, run, "their test texts are not the same (test_hash of the reports)")
    if (differs := (first.labels != run.labels).reshape(len(run.labels), -1).any(1)).any():
        row, count = int(np.flatnonzero(differs)[0]), int(differs.sum())
        refuse_comparison(first, run, f"{count} test rows have another label, the first of them is row {row}")


def notes_to_compare(data: dict) -> dict:
    """The notes on the data that must be equal in compared runs, where both have them.

    A later version counts texts that stand twice in more pairs of parts, so each count is a note. A review changes the
    counts, and may be compared as long as it leaves the rows of validation as they are.
    """
    notes = {name: value for name, value in data.items() if name not in NOTES_THAT_MAY_DIFFER}
    if "columns" in notes:
        # What a model reads beside the text is a matter of the method.
        notes["columns"] = {name: notes["columns"][name] for name in ("text", "label")}
    duplicates, reviewed = notes.pop("duplicates", {}), data.get("reviewed")
    if not reviewed:
        notes |= {f"duplicates, {name}": count for name, count in duplicates.items()}
    changed = sum(reviewed[what]["validation"] for what in ("dropped", "relabelled")) if reviewed else 0
    notes["rows of validation that a review changed"] = changed
    sampled = {f"sample of {part}": data["sampled"].get(part) for part in ("validation", "test")}
    return notes | sampled | {f"rows of {part}": data["rows"][part] for part in ("validation", "test")}


def require_same_hashes(runs: list[Run]) -> None:
    """Raise InputError if two runs on as many rows have other texts or labels, by `data_hash` in their reports."""
    first_runs: dict[tuple, Run] = {}
    for run in runs:
        if run.report.data_hash:
            # The hash includes train, the class ids and the columns beside the text: it differs for a sample of train,
            # another order of classes, other columns and a review.
            columns = run.report.data.get("columns", {})
            beside = (*columns.get("extra", ()), columns.get("as_text", False))
            review = json.dumps(run.report.data.get("reviewed"))
            first = first_runs.setdefault((run.train_rows, beside, review, *run.report.labels), run)
            if first.report.data_hash != run.report.data_hash:
                refuse_comparison(first, run, "texts or labels are not the same (data_hash of the reports)")


def refuse_comparison(first: Run, run: Run, reason: str) -> None:
    """Raise the InputError that says why two runs cannot be compared."""
    raise InputError(f"{first.folder} and {run.folder} are not on the same data, so they cannot be compared: {reason}")

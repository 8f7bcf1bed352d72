"""Finished runs from their folders, all of them on the same test rows and classes."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json
from sentiment_hf.common.layout import HISTORY, INFERENCE, MODEL_FILES, PREDICTIONS, REPORT
from sentiment_hf.runs.report import Report

# What of the notes on the data may differ: runs on fewer training rows are points of a learning curve, the same data
# set can lie on the Hub and in a folder, and older reports do not say where theirs did.
OF_TRAIN = {"sampled", "rows", "empty_texts", "hub_id", "config"}


# Where in the grid of a comparison a run stands: setting to value.
Settings = dict[str, bool | int | float | str]


@dataclass(frozen=True, eq=False)
class Run:
    """One finished run.

    classes: their names in the order of the class ids here, the same in all runs; report.labels is as it was saved.
    labels, predictions: (rows,) class ids, in the order of the test rows.
    probabilities: (rows, classes), saved as float16 and rescaled to sum to 1.
    seed: None for an ensemble of several seeds.
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
    classes: list[str]
    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray
    curve: list[dict]
    inference: dict | None
    settings: Settings = field(default_factory=dict)

    @property
    def train_rows(self) -> int:
        """Rows that it was trained on."""
        return self.report.data["rows"]["train"]


def load_runs(folders: Sequence[str | Path], settings: Mapping[str, Settings] | None = None) -> list[Run]:
    """The runs in these folders, with the classes of each numbered as in the first.

    `settings` are those of the runs of a grid, by the name of the folder.

    Raises:
        InputError: a folder holds no finished run with a scored test part, or two runs cannot be compared.
    """
    if not folders:
        raise InputError("nothing to compare: name the folders of finished runs, as in out/imdb/*")
    folders = list({Path(folder).resolve(): Path(folder) for folder in folders}.values())
    unfinished = [folder for folder in folders if not (folder / REPORT).is_file()]
    if unfinished:
        raise InputError(
            f"no finished run in {', '.join(map(str, unfinished))}: a finished one has a {REPORT}; finish these runs "
            "by their own command, or leave the folders out"
        )
    runs = [load_run(folder) for folder in folders]
    runs = [replace(run, settings=(settings or {}).get(run.name, {})) for run in runs]
    runs = [in_order_of(run, runs[0]) for run in runs]
    for run in runs[1:]:
        require_same_data(runs[0], run)
    require_same_hashes(runs)
    return runs


def load_run(folder: Path) -> Run:
    """What a finished run left in its folder; raises InputError if it is not whole or has no test scores."""
    report = Report.load(folder)
    if not report.test:
        raise InputError(f"{folder}: this run did not score test; run it again with --do_predict to compare it")
    labels, predictions, probabilities = read_predictions(folder / PREDICTIONS["test"], report.labels)
    if len(labels) != report.test["rows"]:
        raise InputError(
            f"{folder / PREDICTIONS['test']} has {len(labels)} rows, but {REPORT} beside it says "
            f"{report.test['rows']}; they are of two runs"
        )
    curve, inference = folder / HISTORY, folder / INFERENCE
    return Run(
        folder=folder,
        name=folder.resolve().name,
        kind=kind(report),
        tuning=report.tuning,
        seed=report.seed,
        report=report,
        classes=report.labels,
        labels=labels,
        predictions=predictions,
        probabilities=probabilities,
        curve=[json.loads(line) for line in curve.read_text(encoding="utf-8").splitlines()] if curve.is_file() else [],
        inference=read_json(inference) if inference.is_file() else None,
    )


def size_of(folder: Path) -> int:
    """Bytes of weights, tokenizer and settings, of an adapter without its base; 0 where only the report is kept."""
    return sum(path.stat().st_size for path in {path for name in MODEL_FILES for path in folder.glob(name)})


def kind(report: Report) -> str:
    """baseline, scratch, ensemble or pretrained: what the comparison is about."""
    if report.model.startswith("baseline-"):
        return "baseline"
    return report.tuning if report.tuning in ("scratch", "ensemble") else "pretrained"


def read_predictions(path: Path, names: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(rows,) labels, (rows,) predictions and (rows, classes) probabilities, as Run has them."""
    try:
        # Of the file itself, for `read_table` would take columns from the names of folders that look like a=b.
        table = pq.ParquetFile(path).read()
        columns = [table[f"probability_{name}"].to_numpy() for name in names]
        labels, predictions = (table[name].to_numpy().astype(np.int64) for name in ("label", "prediction"))
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read ({reason}); run that run again, or leave it out") from error
    probabilities = np.stack(columns, axis=1).astype(np.float64)
    return labels, predictions, probabilities / probabilities.sum(1, keepdims=True)


def in_order_of(run: Run, first: Run) -> Run:
    """The run with its classes numbered as in `first`: a checkpoint brings an order of its own."""
    names, order = run.classes, first.classes
    if sorted(names) != sorted(order):
        raise InputError(
            f"{run.folder} has the classes {', '.join(names)}, {first.folder} has {', '.join(order)}; compare runs on "
            "the same classes"
        )
    ids = np.array([order.index(name) for name in names])
    return replace(
        run,
        classes=order,
        labels=ids[run.labels],
        predictions=ids[run.predictions],
        probabilities=run.probabilities[:, np.argsort(ids)],
    )


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
        row, count = int(differs.argmax()), int(differs.sum())
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

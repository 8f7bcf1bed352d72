"""Finished runs without their weights: reads the folder of one run, and reads and writes published comparisons.

A published comparison is a folder with

    runs.jsonl           a line a run: the name of its folder as `run`, then the keys of its report.json, and as
                         `inference` the object of its inference.json
    predictions.parquet  the test rows: `label`, a class name, and for each run and class, in the column RUN/CLASS,
                         the natural logarithm of the probability
    validation.parquet   the same of the validation rows
    history.parquet      the lines of each metrics.jsonl: `run`, and a column a key

A file for which there is nothing is not there. The prediction of a run is the class with the largest value, and no
other class has the same one. Runs whose parts have the same labels share the rows of a table; where runs were scored
on different rows, all of these are in the table, and the columns of a run are null on rows that are not its own.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, whole, write_text
from sentiment_hf.common.layout import (
    HISTORY,
    INFERENCE,
    PREDICTIONS,
    PUBLISHED_HISTORY,
    PUBLISHED_PARTS,
    REPORT,
    RUNS,
)
from sentiment_hf.runs.report import Report

# A run saves probabilities in float16. Logarithms in float32 bring back each of them; in float16 they do not, for the
# 15 360 positive probabilities have 5 249 different ones, and a published figure would change in its last digits.
LOGS = np.float32

# A probability that was saved as 0 was below half of the smallest positive float16, as this is.
SAVED_AS_ZERO = 0.49 * float(np.finfo(np.float16).smallest_subnormal)


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a run predicted for the rows of one part.

    labels, predictions: (rows,) class ids, in the order of the rows.
    probabilities: (rows, classes).
    """

    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray

    def rescaled(self) -> "Predicted":
        """The same with probabilities that sum to 1 on each row; saved ones do not, because they are rounded."""
        return replace(self, probabilities=self.probabilities / self.probabilities.sum(1, keepdims=True))

    def renumbered(self, ids: np.ndarray) -> "Predicted":
        """The same with ids[i] in place of the class id i; `ids` is a permutation of the class ids."""
        return Predicted(ids[self.labels], ids[self.predictions], self.probabilities[:, np.argsort(ids)])


@dataclass(frozen=True, eq=False)
class Kept:
    """What is kept of a finished run; its own folder and a published comparison give the same.

    name: the name of the folder of the run.
    report: the content of report.json, as it was written, also by an older version.
    inference: the object of inference.json, or None without that file.
    history: the objects of metrics.jsonl, one a line; empty without that file.
    parts: what the run made of "validation" and "test". Class ids are places in report["labels"], probabilities are
        the float16 numbers that the run saved. A part without a file has no entry.
    """

    name: str
    report: dict
    inference: dict | None
    history: list[dict]
    parts: dict[str, Predicted]


def read_folder(folder: Path) -> Kept:
    """What a finished run left in its folder; raises InputError where a file is damaged."""
    report = read_json(folder / REPORT)
    names = Report.from_json(report, folder / REPORT).labels
    inference, history = folder / INFERENCE, folder / HISTORY
    files = {part: folder / name for part, name in PREDICTIONS.items() if (folder / name).is_file()}
    return Kept(
        name=folder.resolve().name,
        report=report,
        inference=read_json(inference) if inference.is_file() else None,
        history=read_lines(history) if history.is_file() else [],
        parts={part: read_predictions(file, names) for part, file in files.items()},
    )


def read_published(folder: Path) -> list[Kept]:
    """The runs of a published comparison, by name; raises InputError where a file is damaged."""
    lines = read_lines(folder / RUNS)
    reports = {line.pop("run"): line for line in lines}
    inference = {name: report.pop("inference", None) for name, report in reports.items()}
    classes = {name: report["labels"] for name, report in reports.items()}
    history = read_history(folder / PUBLISHED_HISTORY)
    tables = {part: read_part(folder / name, classes) for part, name in PUBLISHED_PARTS.items()}
    return [
        Kept(
            name=name,
            report=report,
            inference=inference[name],
            history=history.get(name, []),
            parts={part: table[name] for part, table in tables.items() if name in table},
        )
        for name, report in reports.items()
    ]


def publish(to: Path, folders: Iterable[Path]) -> None:
    """Add finished runs to a published comparison, which is made if it is not there.

    A run that is there under the name of one of the folders is replaced, the others stay as they are. Each of the
    four files is written whole or not at all, runs.jsonl last. The bytes depend on the runs, not on the order in
    which they were added.

    Raises:
        InputError: a file of the runs or of the comparison is damaged.
    """
    known = {run.name: run for run in read_published(to)} if (to / RUNS).is_file() else {}
    known |= {run.name: run for run in map(read_folder, folders)}
    runs = [known[name] for name in sorted(known)]
    to.mkdir(parents=True, exist_ok=True)
    for part, name in PUBLISHED_PARTS.items():
        write_table(to / name, table_of_part(runs, part))
    write_table(to / PUBLISHED_HISTORY, table_of_history(runs))
    write_text(to / RUNS, "".join(f"{json.dumps(line_of(run), ensure_ascii=False)}\n" for run in runs))


def line_of(run: Kept) -> dict:
    """The object of a run in runs.jsonl."""
    speed = {"inference": run.inference} if run.inference else {}
    return {"run": run.name, **run.report, **speed}


def read_lines(path: Path) -> list[dict]:
    """The objects of a file with one a line; raises InputError where it is damaged."""
    try:
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file]
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); bring it back, or leave its folder out") from error


def read_parquet(path: Path) -> pa.Table:
    """The table of a parquet file; raises InputError where it cannot be read."""
    try:
        # Of the file itself, for `read_table` would take columns from the names of folders that look like a=b.
        return pq.ParquetFile(path).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: Exception) -> InputError:
    """The error that names the file, the reason in one line, and what to do."""
    return InputError(f"{path} cannot be read ({' '.join(str(error).split())}); run that run again, or leave it out")


def read_predictions(path: Path, names: Sequence[str]) -> Predicted:
    """The predictions file in the folder of a run with the classes `names`; raises InputError where it is damaged."""
    table = read_parquet(path)
    try:
        columns = [table[f"probability_{name}"].to_numpy() for name in names]
        labels, predictions = (table[name].to_numpy().astype(np.int64) for name in ("label", "prediction"))
    except KeyError as error:
        raise unreadable(path, error) from error
    return Predicted(labels, predictions, np.stack(columns, axis=1).astype(np.float64))


def read_part(path: Path, classes: dict[str, list[str]]) -> dict[str, Predicted]:
    """Name of each run that has columns in the table to what it made of its rows; empty without the file.

    `classes` are the class names of each run, in the order of its class ids.
    """
    if not path.is_file():
        return {}
    table = read_parquet(path)
    try:
        labels = np.array(table["label"].to_pylist())
        found = {name: order for name, order in classes.items() if f"{name}/{order[0]}" in table.column_names}
        return {
            name: from_logs(np.stack([table[f"{name}/{label}"].to_numpy() for label in order], 1), labels, order)
            for name, order in found.items()
        }
    except KeyError as error:
        raise unreadable(path, error) from error


def from_logs(logs: np.ndarray, labels: np.ndarray, order: list[str]) -> Predicted:
    """What a run with the classes `order` made of its rows.

    logs: (rows, classes) log-probabilities, NaN on rows that the run was not scored on.
    labels: (rows,) class names.
    """
    own = ~np.isnan(logs[:, 0])
    ids = {label: index for index, label in enumerate(order)}
    # Rounded to the numbers that the run saved.
    probabilities = np.exp(logs[own], dtype=np.float64).astype(np.float16).astype(np.float64)
    return Predicted(np.array([ids[label] for label in labels[own]]), logs[own].argmax(1), probabilities)


def to_logs(scored: Predicted) -> np.ndarray:
    """(rows, classes) log-probabilities; on each row that of the predicted class is larger than all others."""
    saved = scored.probabilities
    logs = np.log(np.where(saved > 0, saved, SAVED_AS_ZERO)).astype(LOGS)
    rows, others = np.arange(len(logs)), logs.copy()
    others[rows, scored.predictions] = -np.inf
    # Where another class was saved with the same probability, the predicted class moves up by the least step.
    least = np.nextafter(others.max(1), LOGS(np.inf))
    logs[rows, scored.predictions] = np.maximum(logs[rows, scored.predictions], least)
    return logs


def table_of_part(runs: Iterable[Kept], part: str) -> pa.Table:
    """The table of one part, as the docstring of this file describes it."""
    runs = [run for run in runs if part in run.parts]
    names = {run.name: tuple(run.report["labels"][label] for label in run.parts[part].labels) for run in runs}
    # Label sequences to the rows that they begin at.
    starts, rows = {}, 0
    for labels in names.values():
        if labels not in starts:
            starts[labels], rows = rows, rows + len(labels)
    columns = {"label": pa.array([label for labels in starts for label in labels]).dictionary_encode()}
    for run in runs:
        labels = names[run.name]
        logs = np.full((rows, len(run.report["labels"])), np.nan, LOGS)
        logs[starts[labels] : starts[labels] + len(labels)] = to_logs(run.parts[part])
        columns |= {
            f"{run.name}/{label}": pa.array(logs[:, index], from_pandas=True)
            for index, label in enumerate(run.report["labels"])
        }
    return pa.table(columns)


def table_of_history(runs: Iterable[Kept]) -> pa.Table:
    """A row for each logged line, in the order of the runs and their lines; null where a line does not have a key."""
    lines = [{"run": run.name, **line} for run in runs for line in run.history]
    keys = ["run", *sorted({key for line in lines for key in line} - {"run"})]
    return pa.table({key: pa.array([line.get(key) for line in lines]) for key in keys})


def read_history(path: Path) -> dict[str, list[dict]]:
    """Name of each run that logged something to its lines."""
    found = {}
    for line in read_parquet(path).to_pylist() if path.is_file() else []:
        found.setdefault(line.pop("run"), []).append({key: value for key, value in line.items() if value is not None})
    return found


def write_table(path: Path, table: pa.Table) -> None:
    """Write the table whole or not at all; without rows there is no file."""
    if not len(table):
        path.unlink(missing_ok=True)
        return
    with whole(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")

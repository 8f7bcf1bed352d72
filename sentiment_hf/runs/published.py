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
from collections.abc import Iterable
from dataclasses import dataclass
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
from sentiment_hf.tasks.task import Predicted, Task


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
    task = Report.from_json(report, folder / REPORT).as_task()
    inference, history = folder / INFERENCE, folder / HISTORY
    files = {part: folder / name for part, name in PREDICTIONS.items() if (folder / name).is_file()}
    return Kept(
        name=folder.resolve().name,
        report=report,
        inference=read_json(inference) if inference.is_file() else None,
        history=read_lines(history) if history.is_file() else [],
        parts={part: read_predictions(file, task) for part, file in files.items()},
    )


def read_published(folder: Path) -> list[Kept]:
    """The runs of a published comparison, by name; raises InputError where a file is damaged."""
    lines = read_lines(folder / RUNS)
    reports = {line.pop("run"): line for line in lines}
    inference = {name: report.pop("inference", None) for name, report in reports.items()}
    tasks = {name: Report.from_json(report, folder / RUNS).as_task() for name, report in reports.items()}
    history = read_history(folder / PUBLISHED_HISTORY)
    tables = {part: read_part(folder / name, tasks) for part, name in PUBLISHED_PARTS.items()}
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


def read_predictions(path: Path, task: Task) -> Predicted:
    """The predictions file in the folder of a run; raises InputError where it is damaged."""
    table = read_parquet(path)
    try:
        return task.predicted(table)
    except KeyError as error:
        raise unreadable(path, error) from error


def read_part(path: Path, tasks: dict[str, Task]) -> dict[str, Predicted]:
    """Name of each run that has columns in the table to what it made of its rows; empty without the file.

    `tasks` are those of the runs, with the names of the columns.
    """
    if not path.is_file():
        return {}
    table = read_parquet(path)
    try:
        labels = np.array(table["label"].to_pylist())
        found = {name: task for name, task in tasks.items() if f"{name}/{task.labels[0]}" in table.column_names}
        return {
            name: on_own_rows([table[f"{name}/{label}"].to_numpy() for label in task.labels], labels, task)
            for name, task in found.items()
        }
    except KeyError as error:
        raise unreadable(path, error) from error


def on_own_rows(columns: list[np.ndarray], labels: np.ndarray, task: Task) -> Predicted:
    """What a run made of the rows that it was scored on.

    columns: for each output of the task, the (rows,) logarithms; NaN on rows that are not the run's own.
    labels: (rows,) labels as text.
    """
    logs = np.stack(columns, axis=1)
    own = ~np.isnan(logs[:, 0])
    return task.from_logs(logs[own], labels[own])


def table_of_part(runs: Iterable[Kept], part: str) -> pa.Table:
    """The table of one part, as the docstring of this file describes it."""
    runs = [run for run in runs if part in run.parts]
    tasks = {run.name: Report.from_json(run.report, Path(run.name, REPORT)).as_task() for run in runs}
    names = {run.name: tuple(tasks[run.name].as_text(run.parts[part].labels)) for run in runs}
    # Label sequences to the rows that they begin at.
    starts, rows = {}, 0
    for labels in names.values():
        if labels not in starts:
            starts[labels], rows = rows, rows + len(labels)
    columns = {"label": pa.array([label for labels in starts for label in labels]).dictionary_encode()}
    for run in runs:
        labels = names[run.name]
        own = tasks[run.name].to_logs(run.parts[part])
        logs = np.full((rows, own.shape[1]), np.nan, own.dtype)
        logs[starts[labels] : starts[labels] + len(labels)] = own
        columns |= {
            f"{run.name}/{label}": pa.array(logs[:, index], from_pandas=True)
            for index, label in enumerate(tasks[run.name].labels)
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

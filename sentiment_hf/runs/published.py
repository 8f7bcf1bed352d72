"""Finished runs without their weights: reads the folder of one run, and reads and writes published comparisons.

A published comparison is a folder with

    runs.jsonl           one line per run: `run`, the name of its folder; the keys of its report.json; `inference`,
                         the object in its inference.json
    predictions.parquet  the test rows: `label`, a class name, and for each run and class a column RUN/CLASS with
                         the natural logarithm of the probability; `language`, if a run knows the languages
    validation.parquet   the validation rows, in the same format
    history.parquet      the lines of each metrics.jsonl: `run`, and one column per key

A file without content is omitted. The prediction of a run is the class with the largest value, which is unique in its
row. Runs whose parts have the same labels share the rows of a table. If runs were scored on different rows, the table
contains all of these rows, and the columns of a run are null on the rows of other runs.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import atomic_write, read_json, write_text
from sentiment_hf.common.layout import (
    HISTORY,
    INFERENCE,
    LANGUAGE,
    PREDICTIONS,
    PUBLISHED_HISTORY,
    PUBLISHED_PARTS,
    REPORT,
    RUNS,
)
from sentiment_hf.runs.report import Report
from sentiment_hf.tasks.task import Predicted, Task


@dataclass(frozen=True, eq=False)
class KeptRun:
    """A finished run without its weights. A run folder and a published comparison contain the same values.

    name: the name of the folder of the run.
    report: the unchanged content of report.json, possibly of an older version.
    inference: the object in inference.json, or None without this file.
    history: the objects of metrics.jsonl, one per line; empty without this file.
    parts: the predictions for "validation" and "test". Class ids are positions in report["labels"], probabilities are
        the float16 values that the run saved. A part without a file has no entry.
    languages: {part: (rows,) languages}; a part whose languages are not known has no entry.
    """

    name: str
    report: dict
    inference: dict | None
    history: list[dict]
    parts: dict[str, Predicted]
    languages: dict[str, np.ndarray] = field(default_factory=dict)


def read_run_folder(folder: Path) -> KeptRun:
    """Read a finished run from its folder; raises InputError if a file is damaged."""
    report = read_json(folder / REPORT)
    task = Report.from_json(report, folder / REPORT).as_task()
    inference, history = folder / INFERENCE, folder / HISTORY
    files = {part: folder / name for part, name in PREDICTIONS.items() if (folder / name).is_file()}
    return KeptRun(
        name=folder.resolve().name,
        report=report,
        inference=read_json(inference) if inference.is_file() else None,
        history=read_jsonl(history) if history.is_file() else [],
        parts={part: read_predictions(file, task) for part, file in files.items()},
        languages={part: found for part, file in files.items() if (found := read_languages(file)) is not None},
    )


def read_published(folder: Path) -> list[KeptRun]:
    """Read the runs of a published comparison, in the order of runs.jsonl; raises InputError if a file is damaged."""
    lines = read_jsonl(folder / RUNS)
    if not lines or not all(isinstance(line.get("run"), str) for line in lines):
        raise InputError(f"{folder / RUNS} is damaged: expected a line per run, each with the name of its `run`")
    reports = {line.pop("run"): line for line in lines}
    inference = {name: report.pop("inference", None) for name, report in reports.items()}
    tasks = {name: Report.from_json(report, folder / RUNS).as_task() for name, report in reports.items()}
    history = read_history(folder / PUBLISHED_HISTORY)
    tables = {part: read_part_table(folder / name, tasks) for part, name in PUBLISHED_PARTS.items()}
    languages = {part: read_part_languages(folder / name, tasks) for part, name in PUBLISHED_PARTS.items()}
    return [
        KeptRun(
            name=name,
            report=report,
            inference=inference[name],
            history=history.get(name, []),
            parts={part: table[name] for part, table in tables.items() if name in table},
            languages={part: table[name] for part, table in languages.items() if name in table},
        )
        for name, report in reports.items()
    ]


def publish(to: Path, folders: Iterable[Path]) -> None:
    """Add the runs in `folders` to the published comparison `to`, which is created if it does not exist.

    A published run with the name of one of the folders is replaced; other runs are unchanged. Each of the four files
    is written atomically, runs.jsonl last. The bytes of the files do not depend on the order in which runs are added.

    Raises:
        InputError: a file of the runs or of the comparison is damaged.
    """
    by_name = {run.name: run for run in read_published(to)} if (to / RUNS).is_file() else {}
    by_name |= {run.name: run for run in map(read_run_folder, folders)}
    runs = [by_name[name] for name in sorted(by_name)]
    to.mkdir(parents=True, exist_ok=True)
    for part, name in PUBLISHED_PARTS.items():
        write_table(to / name, table_of_part(runs, part))
    write_table(to / PUBLISHED_HISTORY, table_of_history(runs))
    write_text(to / RUNS, "".join(f"{json.dumps(line_of_run(run), ensure_ascii=False)}\n" for run in runs))


def line_of_run(run: KeptRun) -> dict:
    """The object of a run in runs.jsonl."""
    speed = {"inference": run.inference} if run.inference else {}
    return {"run": run.name, **run.report, **speed}


def read_jsonl(path: Path) -> list[dict]:
    """Read a file with one JSON object per line; raises InputError if it is damaged."""
    remedy = "bring it back, or leave its folder out"
    try:
        with path.open(encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged ({error}); {remedy}") from error
    for number, line in enumerate(lines, 1):
        if not isinstance(line, dict):
            raise InputError(f"{path}, line {number}: expected a JSON object, found {line!r:.40}; {remedy}")
    return lines


def read_parquet(path: Path) -> pa.Table:
    """Read a parquet file; raises InputError if it is damaged."""
    try:
        # `read_table` would add a column for each parent folder with a name such as a=b.
        with path.open("rb") as file:
            return pq.ParquetFile(file).read()
    except (pa.ArrowInvalid, OSError) as error:
        raise unreadable_error(path, error) from error


def unreadable_error(path: Path, error: Exception) -> InputError:
    """The InputError that names the file, the reason in one line, and what to do."""
    return InputError(f"{path} cannot be read ({' '.join(str(error).split())}); run that run again, or leave it out")


def read_predictions(path: Path, task: Task) -> Predicted:
    """Read the predictions file of a run folder; raises InputError if it is damaged."""
    table = read_parquet(path)
    try:
        return task.predicted(table)
    except KeyError as error:
        raise unreadable_error(path, error) from error


def read_languages(path: Path) -> np.ndarray | None:
    """(rows,) languages in the predictions file of a run folder; None if it has none."""
    table = read_parquet(path)
    return np.array(table[LANGUAGE].to_pylist()) if LANGUAGE in table.column_names else None


def read_part_languages(path: Path, tasks: dict[str, Task]) -> dict[str, np.ndarray]:
    """As `read_part_table`, the (rows,) languages of each run that has them."""
    table = read_parquet(path) if path.is_file() else None
    if table is None or LANGUAGE not in table.column_names:
        return {}
    languages = np.array(table[LANGUAGE].to_pylist(), object)
    firsts = {name: f"{name}/{task.labels[0]}" for name, task in tasks.items()}
    own = {
        name: languages[~np.isnan(table[first].to_numpy())]
        for name, first in firsts.items()
        if first in table.column_names
    }
    return {name: found.astype(str) for name, found in own.items() if None not in found}


def read_part_table(path: Path, tasks: dict[str, Task]) -> dict[str, Predicted]:
    """Read one table of a published comparison: the name of each run with columns in it, and its predictions.

    `tasks` maps each run to its task, whose labels are part of the column names. Empty without the file. Raises
    InputError if the file is damaged.
    """
    if not path.is_file():
        return {}
    table = read_parquet(path)
    try:
        labels = np.array(table["label"].to_pylist())
        found = {name: task for name, task in tasks.items() if f"{name}/{task.labels[0]}" in table.column_names}
        return {
            name: predicted_on_own_rows([table[f"{name}/{label}"].to_numpy() for label in task.labels], labels, task)
            for name, task in found.items()
        }
    except KeyError as error:
        raise unreadable_error(path, error) from error


def predicted_on_own_rows(columns: list[np.ndarray], labels: np.ndarray, task: Task) -> Predicted:
    """The predictions of a run for the rows that it was scored on.

    columns: for each output of the task, (rows,) logarithms of probabilities; NaN on rows of other runs.
    labels: (rows,) labels as text.
    """
    logs = np.stack(columns, axis=1)
    own = ~np.isnan(logs[:, 0])
    return task.from_logs(logs[own], labels[own])


def table_of_part(runs: Iterable[KeptRun], part: str) -> pa.Table:
    """The table of one part, in the format that the docstring of this module describes."""
    runs = [run for run in runs if part in run.parts]
    tasks = {run.name: Report.from_json(run.report, Path(run.name, REPORT)).as_task() for run in runs}
    names = {run.name: tuple(tasks[run.name].as_text(run.parts[part].labels)) for run in runs}
    # The labels of a part to the first of their rows in the table.
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
    languages = np.full(rows, None, object)
    for run in runs:
        if part in run.languages:
            start = starts[names[run.name]]
            languages[start : start + len(run.languages[part])] = run.languages[part]
    if languages.any():
        columns[LANGUAGE] = pa.array(languages).dictionary_encode()
    return pa.table(columns)


def table_of_history(runs: Iterable[KeptRun]) -> pa.Table:
    """One row per logged line, in the order of the runs and their lines; null for keys that a line does not have."""
    lines = [{"run": run.name, **line} for run in runs for line in run.history]
    keys = ["run", *sorted({key for line in lines for key in line} - {"run"})]
    return pa.table({key: pa.array([line.get(key) for line in lines]) for key in keys})


def read_history(path: Path) -> dict[str, list[dict]]:
    """Read history.parquet: run name to its logged lines; a run without lines has no entry."""
    lines = read_parquet(path).to_pylist() if path.is_file() else []
    if lines and "run" not in lines[0]:
        raise unreadable_error(path, KeyError("run"))
    found = {}
    for line in lines:
        found.setdefault(line.pop("run"), []).append({key: value for key, value in line.items() if value is not None})
    return found


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table atomically; a table without rows is not written, and an existing file is deleted."""
    if not len(table):
        path.unlink(missing_ok=True)
        return
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        pq.write_table(table, file, compression="zstd")

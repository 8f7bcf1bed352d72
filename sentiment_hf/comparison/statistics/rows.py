"""The test rows that the runs were scored on: texts, lengths and further columns of the data set."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_test_columns
from sentiment_hf.runs.finished import Run
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.task import Task

LARGEST_GROUPING = 20


@dataclass(frozen=True, eq=False)
class TestRows:
    """The test rows in the order of the test part.

    labels: the label of each row as text.
    characters: (rows,) lengths of the texts.
    columns: a value per row by name of the column, "" for a missing one; only columns that group the rows.
    texts: None if they are not to be shown.
    data_hash: SHA-256 over train, validation and test.
    task: has the labels in the order of their ids, which `data_hash` is over.
    train_rows: the number of training rows that `data_hash` is over.
    """

    labels: list[str]
    characters: np.ndarray
    columns: dict[str, list[str]]
    texts: list[str] | None
    data_hash: str
    task: Task
    train_rows: int


def test_rows(args: DataArguments, rows_file: str | None) -> TestRows:
    """The test part that the data flags name, read by the same code as in a run.

    The columns of `rows_file`, a table with a line per row of the test part, are added.

    Raises:
        InputError: the data or the file cannot be read, or the file has another number of rows.
    """
    splits, further = load_test_columns(args, rows_file)
    columns = {name: [as_text(cell) for cell in cells] for name, cells in further.items()}
    texts = splits.test.texts
    return TestRows(
        labels=splits.task.as_text(splits.test.labels),
        characters=np.array([len(text) for text in texts]),
        columns={name: values for name, values in columns.items() if groups_rows(values)},
        texts=texts,
        data_hash=splits.data_hash,
        task=splits.task,
        train_rows=len(splits.train),
    )


def as_text(cell: object) -> str:
    """A value of a column as text; "" for a missing one."""
    return "" if cell is None or cell != cell else str(cell).strip()


def groups_rows(values: Sequence[str]) -> bool:
    """True if a column has 2 to 20 different values, so that it groups the rows."""
    return 2 <= len(set(values) - {""}) <= LARGEST_GROUPING


def require_rows_of(run: Run, rows: TestRows) -> None:
    """Raise InputError unless the run was scored on these rows."""
    labels = run.task.as_text(run.labels)
    if labels == rows.labels:
        same_data = run.train_rows == rows.train_rows and run.report.as_task() == rows.task
        if not same_data or run.report.data_hash in (None, rows.data_hash):
            return
        reason = "texts or labels are not the same (data_hash)"
    elif len(labels) != len(rows.labels):
        reason = f"{len(rows.labels)} test rows, not {len(labels)}"
    else:
        row = next(row for row, (a, b) in enumerate(zip(labels, rows.labels, strict=True)) if a != b)
        reason = f"test row {row} is {rows.labels[row]!r}, not {labels[row]!r}"
    raise InputError(
        f"the data flags name other data than {run.folder} was scored on: {reason}; give the flags of its command"
    )

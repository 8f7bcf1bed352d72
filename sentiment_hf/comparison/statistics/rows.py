"""The test rows that the runs were scored on: texts, lengths, and what else the data says of them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.columns import NUMBER
from sentiment_hf.data.splits import load_test_columns
from sentiment_hf.runs.finished import Run
from sentiment_hf.settings.arguments import DataArguments

LARGEST_GROUPING = 20


@dataclass(frozen=True, eq=False)
class TestRows:
    """In the order of the test part.

    labels: the name of the class of each row.
    characters: (rows,) lengths of the texts.
    columns: by name, a value per row, "" where there is none; only columns that group the rows.
    texts: None where they are not to be shown.
    data_hash: that of the three parts, and `classes` the order of the class ids in it.
    train_rows: the size of train in it.
    """

    labels: list[str]
    characters: np.ndarray
    columns: dict[str, list[str]]
    texts: list[str] | None
    data_hash: str
    classes: list[str]
    train_rows: int


def test_rows(args: DataArguments, rows_file: str | None) -> TestRows:
    """The test part that the data flags name, through the code that the runs read it by.

    `rows_file` is a table with a line per row of the test part, whose columns are added.

    Raises:
        InputError: data or file cannot be read, or do not fit each other.
    """
    splits, further = load_test_columns(args, rows_file)
    columns = {name: [as_text(cell) for cell in cells] for name, cells in further.items()}
    texts = splits.test["text"][:]
    label = splits.test.features["label"]
    return TestRows(
        labels=label.int2str(splits.test["label"][:]),
        characters=np.array([len(text) for text in texts]),
        columns={name: values for name, values in columns.items() if groups(values)},
        texts=texts,
        data_hash=splits.data_hash,
        classes=label.names,
        train_rows=len(splits.train),
    )


def as_text(cell: object) -> str:
    """A value as it is shown; "" for a missing one."""
    return "" if cell is None or cell != cell else str(cell).strip()


def groups(values: Sequence[str]) -> bool:
    """A column groups rows by 2 to 20 values."""
    return 2 <= len(set(values) - {""}) <= LARGEST_GROUPING


def in_order(values: set[str]) -> list[str]:
    """Numbers by size, else by name."""
    numbers = all(NUMBER.fullmatch(value) for value in values)
    return sorted(values, key=lambda value: (float(value), value) if numbers else (0.0, value))


def require_rows_of(run: Run, rows: TestRows) -> None:
    """The runs were scored on these rows; raises InputError."""
    labels = [run.classes[label] for label in run.labels]
    if labels == rows.labels:
        same_data = run.train_rows == rows.train_rows and run.report.labels == rows.classes
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

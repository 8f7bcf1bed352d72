"""The numbers of a label column, for a regression."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

import numpy as np

from sentiment_hf.common.errors import InputError, excerpt
from sentiment_hf.tasks.label_column import LabelColumn


def read_numbers(columns: Mapping[str, Sequence[LabelColumn]]) -> dict[str, np.ndarray]:
    """(rows,) float64 by split.

    Raises:
        InputError: a cell is missing or no finite number, --label_map is given, or all rows of train are alike.
    """
    first = columns["train"][0]
    if first.label_map:
        raise InputError("--label_map names classes, and the labels of a regression are numbers; leave it out.")
    values = {split: np.concatenate([numbers_of(column) for column in pieces]) for split, pieces in columns.items()}
    if len(values["train"]) and np.ptp(values["train"]) == 0:
        raise InputError(
            f"{first.source}: every row has the value {values['train'][0]:g} in {first.name!r}; there is nothing to "
            "learn. Another column is chosen by --label_column_name."
        )
    return values


def numbers_of(column: LabelColumn) -> np.ndarray:
    """(rows,) the numbers of one table."""
    if column.classes is not None:
        raise InputError(
            f"{column.source}: {column.name!r} holds classes ({', '.join(column.classes[:5])}); a regression wants "
            "numbers, and --task single_label or ordinal takes classes."
        )
    found = [number_of(column, row) for row in column.distinct.first_rows]
    return np.array(found, np.float64)[column.distinct.codes]


def number_of(column: LabelColumn, row: int) -> float:
    """The number of one row."""
    cell = column.cells[row]
    if cell is None or cell != cell or (isinstance(cell, str) and not cell.strip()):
        raise InputError(
            f"{column.place(row)}: the number in {column.name!r} is missing. Fill it in or remove the row."
        )
    try:
        number = float(cell) if isinstance(cell, int | float | Decimal | str) and not isinstance(cell, bool) else None
    except ValueError:
        number = None
    if number is None or not np.isfinite(number):
        raise InputError(
            f"{column.place(row)}: {column.name!r} is {excerpt(cell)}; --task regression wants a number in every row. "
            "For names of classes take --task single_label, or ordinal."
        )
    return number

"""The values of a column in some rows of a part."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from sentiment_hf.common.labelled_texts import CHUNK
from sentiment_hf.data.table import Table


def cells_of_rows(tables: Sequence[Table], column: str, rows: np.ndarray) -> Iterator:
    """Yield the values of a column in some rows, which are ascending and count on from one table to the next."""
    before = 0
    for table in tables:
        count = table.num_rows
        for start, end in pairwise([*range(0, count, CHUNK), count]):
            first, last = np.searchsorted(rows, (before + start, before + end))
            if first < last:
                cells = cells_between(table, column, start, end)
                yield from (cells[row] for row in (rows[first:last] - before - start).tolist())
        before += count


def cells_between(table: Table, column: str, start: int, end: int) -> Sequence:
    """The values of a column in the rows from `start` to `end`, a class id as its name; None if the table lacks it."""
    if column not in table.columns:
        return [None] * (end - start)
    names, cells = table.classes.get(column), table.columns[column][start:end]
    if names is None:
        return cells
    return [class_name(cell, names) for cell in cells]


def class_name(cell: int | list[int] | None, names: Sequence[str]) -> str | None:
    """The name of a class by its id, or the names of a list of ids; None for the id of no class."""
    if isinstance(cell, list):
        return ", ".join(str(class_name(one, names)) for one in cell)
    return None if cell is None or not 0 <= cell < len(names) else names[cell]

"""`Table`: the rows of a file or a part of a data set, unaltered, and the place of each row for messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.csv_reading import CsvFormat


class NoRowsError(InputError):
    """A file without rows. Among several files that are one table it is left out, as an empty partition of Spark."""


@dataclass(frozen=True)
class Table:
    """The rows of a file or a part.

    source: the name of the file or part for messages.
    columns: a value per row by name of the column, unaltered.
    place: index of a row, from 0 -> the name of that row for messages.
    classes: class names of each column of ClassLabels, or of lists of them.
    doubled: the name in the file of each column that shares it with another one.
    header: the place of the column names for messages, if it is not the whole source.
    format: how a csv file is written.
    """

    source: str
    columns: Mapping[str, Sequence]
    place: Callable[[int], str]
    classes: dict[str, list[str]] = field(default_factory=dict)
    doubled: dict[str, str] = field(default_factory=dict)
    header: str | None = None
    format: CsvFormat | None = None

    @property
    def names(self) -> list[str]:
        """The names of the columns as they stand in the file, one more than once perhaps."""
        return [self.doubled.get(name, name) for name in self.columns]

    @property
    def num_rows(self) -> int:
        """The number of rows."""
        return len(next(iter(self.columns.values())))


def place_of_row(pieces: Sequence[Table]) -> Callable[[int], str]:
    """Number of a row in several tables, counted on from one to the next, from 0 -> the name of that row."""
    starts = np.cumsum([0, *(table.num_rows for table in pieces)])

    def place(row: int) -> str:
        piece = int(np.searchsorted(starts, row, side="right")) - 1
        return pieces[piece].place(row - int(starts[piece]))

    return place


def unique_names(names: Sequence[str]) -> tuple[list[str], dict[str, str]]:
    """(a name of its own for each column, the name in the file of each column that shares it with another one)."""
    unique: list[str] = []
    for place, name in enumerate(names, start=1):
        while name in unique:
            name += f" (column {place})"
        unique.append(name)
    return unique, {own: name for own, name in zip(unique, names, strict=True) if names.count(name) > 1}

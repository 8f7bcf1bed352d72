"""`Table`: the rows of a file or a part of a data set, unaltered, and the place of each row for messages."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Table:
    """The rows of a file or a part.

    source: the name of the file or part for messages.
    columns: a value per row by name of the column, unaltered.
    place: index of a row, from 0 -> the name of that row for messages.
    classes: class names of each ClassLabel column.
    """

    source: str
    columns: Mapping[str, Sequence]
    place: Callable[[int], str]
    classes: dict[str, list[str]] = field(default_factory=dict)

"""A column of labels, as read from a file or from the Hub, and the class names in its cells."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Self

import numpy as np

from sentiment_hf.common.characters import refuse_surrogate
from sentiment_hf.common.class_names import canonical
from sentiment_hf.common.errors import InputError

# Types of a cell with more than one value.
SEVERAL = (list, tuple, dict, np.ndarray)


@dataclass(frozen=True)
class Distinct:
    """The different cells of a column, in the order in which they first occur.

    cells: each of them once.
    codes: (rows,) the place in `cells` of the cell of each row.
    first_rows: (cells,) the first row with each of them.
    """

    cells: list
    codes: np.ndarray
    first_rows: list[int]

    @classmethod
    def of(cls, column: Sequence) -> Self:
        """The different cells of `column`; True, 1 and "1" are three of them."""
        # Imported where data are read only, because it imports pyarrow.
        from sentiment_hf.common.arrow_column import ArrowColumn

        if isinstance(column, ArrowColumn) and not column.is_nested:
            cells, codes = column.distinct()
        else:
            known: dict[tuple, int] = {}
            # A cell of several values cannot be a key; only its kind matters.
            keys = ((type(cell), None if isinstance(cell, SEVERAL) else cell) for cell in column)
            codes = np.fromiter((known.setdefault(key, len(known)) for key in keys), np.int64, len(column))
            cells = [cell for _, cell in known]
        return cls(cells, codes, np.unique(codes, return_index=True)[1].tolist())


@dataclass(frozen=True)
class LabelColumn:
    """The label column of one table.

    name: the name of the column.
    cells: the label of each row, as it was read.
    source: the name of the table in messages.
    place: row number -> the place of the row in messages, such as its file and line.
    classes: the class names, if the column is a ClassLabel of `datasets` and the cells are class ids; else None.
    label_map: {name in the data: name of the class}.
    """

    name: str
    cells: Sequence
    source: str
    place: Callable[[int], str]
    classes: list[str] | None
    label_map: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def distinct(self) -> Distinct:
        """The different cells."""
        return Distinct.of(self.cells)


def class_names(column: LabelColumn) -> list[str]:
    """The canonical class name of each of `column.distinct`. Raises InputError if a label is missing or no class."""
    if column.classes is None:
        return [_class_name(column, row) for row in column.distinct.first_rows]
    names = [canonical(name) for name in column.classes]
    for name in names:
        refuse_surrogate(name, column.source, column.name)
    return [_name_of_class(column, row, names) for row in column.distinct.first_rows]


def _name_of_class(column: LabelColumn, index: int, names: list[str]) -> str:
    """The name of the class that one row has by its id or, in csv and JSON with a card, by its name."""
    label = _class_name(column, index)
    if isinstance(column.cells[index], str) and label in names:
        return label
    if label == "-1":
        raise InputError(
            f"{column.place(index)}: {column.name!r} is {label}, which marks a row without a label. Fill "
            "it in or remove the row; a validation or test part is left out only if no row of it has a label."
        )
    if not label.isdecimal() or int(label) >= len(names):
        raise InputError(
            f"{column.place(index)}: {column.name!r} is {label!r}, and the {len(names)} classes are "
            f"{', '.join(names[:10])}{', ...' * (len(names) > 10)}, or their numbers from 0."
        )
    return names[int(label)]


def _class_name(column: LabelColumn, index: int) -> str:
    """The class name of one row: "1" for 1, 1.0, "1", "1.0" and Decimal("1.0"), "True" for true."""
    label = column.cells[index]
    if isinstance(label, SEVERAL):
        raise InputError(
            f"{column.place(index)}: the label in {column.name!r} is a {type(label).__name__}, as for several "
            "labels per text; expected one class per text. Another column is chosen by --label_column_name."
        )
    if label is None or label != label or (isinstance(label, str) and not label.strip()):
        raise InputError(
            f"{column.place(index)}: the label in {column.name!r} is missing. Fill it in or remove the row; another "
            "column is chosen by --label_column_name."
        )
    if not isinstance(label, str | int | float | Decimal) or label in (float("inf"), float("-inf")):
        raise InputError(
            f"{column.place(index)}: the label in {column.name!r} is {str(label)[:60]!r}; a class is a name or a "
            "number. Another column is chosen by --label_column_name."
        )
    refuse_surrogate(str(label), column.place(index), column.name)
    return canonical(digits_of(label) if isinstance(label, float | Decimal) else str(label))


def digits_of(number: float | Decimal) -> str:
    """The shortest decimal digits of a number, without an exponent: "0.1" also for the float32 next to it."""
    if isinstance(number, Decimal):
        return f"{number:f}"
    if number.is_integer():
        return str(int(number))
    single = np.float32(number)
    return np.format_float_positional(single if float(single) == number else number, trim="-")

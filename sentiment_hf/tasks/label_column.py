"""A column of labels, as read from a file or from the Hub, and the names of the classes in it."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sentiment_hf.common.characters import refuse_surrogate
from sentiment_hf.common.errors import InputError

NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")


@dataclass(frozen=True)
class LabelColumn:
    """The label column of one table.

    name: the name of the column.
    cells: the label of each row, as it was read.
    source: the name of the table in messages.
    place: row number -> the place of the row in messages, such as its file and line.
    classes: the class names, if the column is a ClassLabel of `datasets` and the cells are class ids; else None.
    """

    name: str
    cells: Sequence
    source: str
    place: Callable[[int], str]
    classes: list[str] | None


def class_name_per_row(column: LabelColumn) -> list[str]:
    """The class name of each row. Raises InputError if a label is missing or is not a class."""
    if column.classes is None:
        return [_class_name(column, index) for index in range(len(column.cells))]
    for name in column.classes:
        refuse_surrogate(name, column.source, column.name)
    for index, label in enumerate(column.cells):
        if label is None or label < 0:
            raise InputError(
                f"{column.place(index)}: {column.name!r} is {label}, which marks a row without a label. A part "
                "without labels cannot be used; name files with labels by --train_file, --validation_file and "
                "--test_file."
            )
        if label >= len(column.classes):
            raise InputError(
                f"{column.place(index)}: {column.name!r} is {label}, and there are {len(column.classes)} classes, "
                "from 0."
            )
    return [column.classes[label] for label in column.cells]


def _class_name(column: LabelColumn, index: int) -> str:
    """The class name of one row: "1" for 1, 1.0, "1" and "1.0", "True" for true, a name without surrounding space."""
    label = column.cells[index]
    if isinstance(label, float) and label.is_integer():
        label = int(label)
    if isinstance(label, str):
        label = re.sub(r"^([+-]?\d+)\.0+$", r"\1", label.strip())
    if label is None or label == "" or label != label:
        raise InputError(
            f"{column.place(index)}: the label in {column.name!r} is missing. Fill it in or remove the row; another "
            "column is chosen by --label_column_name."
        )
    if not isinstance(label, str | int):
        raise InputError(
            f"{column.place(index)}: the label in {column.name!r} is {label!r}; a class is a name or a whole number. "
            "Another column is chosen by --label_column_name."
        )
    refuse_surrogate(str(label), column.place(index), column.name)
    return str(label)


def sorted_names(names: Iterable[str]) -> list[str]:
    """The names sorted: by value if all of them are numbers, else alphabetically."""
    names = list(names)
    numbers = all(NUMBER.fullmatch(name) for name in names)
    return sorted(names, key=lambda name: (float(name), name) if numbers else (0.0, name))

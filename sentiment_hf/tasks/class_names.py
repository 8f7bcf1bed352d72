"""The classes of a data set: one name for each, whatever its spellings in the label columns of the parts."""

import logging
from collections.abc import Mapping, Sequence

from sentiment_hf.common.class_names import canonical, is_number, say_look_alikes, sorted_names
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.tasks.label_column import LabelColumn, class_names

logger = logging.getLogger(__name__)

# Half stars from 0.5 to 10 are 20 numbers; more are values of a regression.
MOST_DECIMALS = 20

# What stands between labels that are written as one text.
DELIMITERS = ("|", ";", ",")


def read_class_names(columns: Mapping[str, Sequence[LabelColumn]]) -> tuple[list[str], dict[str, list[list[str]]]]:
    """(names of the classes in the order of their ids; by split and table, the name of each of the `distinct` cells).

    The classes are those in train, in the order of its ClassLabel if it has one. Else they are sorted: by value if all
    are numbers, else by name. Two spellings of one class are said, and classes that look alike.

    Raises:
        InputError: a label is missing or is no class, or the numbers in train are those of a regression.
    """
    found = {split: [class_names(column) for column in pieces] for split, pieces in columns.items()}
    different = {name for pieces in found.values() for names in pieces for name in names}
    first = columns["train"][0]
    declared = [canonical(name) for name in first.classes or ()]
    renamed = one_name_each(different | set(declared), first)
    cells = {split: [[renamed[name] for name in names] for names in pieces] for split, pieces in found.items()}
    of_train = {name for names in cells["train"] for name in names}
    refuse_regression(first, of_train)
    order = list(dict.fromkeys(renamed[name] for name in declared)) or sorted_names(of_train)
    say_spellings(columns)
    say_delimiter(order, first)
    say_look_alikes(tuple(order), f"the column {first.name!r} of {first.source}")
    return order, cells


def one_name_each(names: set[str], first: LabelColumn) -> dict[str, str]:
    """{canonical name: name of its class}: TRUE and true are True in a column of truth values; then --label_map.

    Raises InputError if --label_map names a label that does not occur.
    """
    truth = {name.casefold() for name in names} <= {"true", "false"}
    renamed = {name: name.capitalize() if truth else name for name in names}
    for name in first.label_map:
        if name not in renamed.values():
            raise InputError(
                f"--label_map names the label {name!r}, which {first.source} does not have in "
                f"{first.name!r}{did_you_mean(name, sorted_names(set(renamed.values()))[:20])}"
            )
    return {name: first.label_map.get(kept, kept) for name, kept in renamed.items()}


def refuse_regression(column: LabelColumn, names: set[str]) -> None:
    """Raise InputError if the names are more numbers with decimals than classes can be."""
    if len(names) > MOST_DECIMALS and all(map(is_number, names)) and any("." in name for name in names):
        shown = ", ".join(sorted_names(names)[:3])
        raise InputError(
            f"{column.source}: {column.name!r} holds {len(names)} different numbers with decimals ({shown}, ...), as "
            "for a regression, --task regression. Or choose another column by --label_column_name; of classes at "
            f"most {MOST_DECIMALS} may be decimals."
        )


def say_delimiter(names: Sequence[str], column: LabelColumn) -> None:
    """Say so if the classes look like several labels each: fewer parts than names, and parts that are names too."""
    for delimiter in DELIMITERS:
        parts = [part.strip() for name in names for part in name.split(delimiter)]
        joined = [name for name in names if delimiter in name]
        if joined and len(set(parts)) < len(names) and set(parts) & set(names):
            logger.warning(
                "Classes of the column %r such as %r look like several labels of a text and are one class each; "
                "--label_delimiter %r splits them.",
                column.name,
                joined[0],
                delimiter,
            )


def say_spellings(columns: Mapping[str, Sequence[LabelColumn]]) -> None:
    """Say which text labels, equal in the Unicode form NFC, are one class in two spellings."""
    first = columns["train"][0]
    spelled: dict[str, set[str]] = {}
    for column in (column for pieces in columns.values() for column in pieces):
        texts = column.classes or [cell for cell in column.distinct.cells if isinstance(cell, str)]
        for text in texts:
            spelled.setdefault(canonical(text), set()).add(text.strip())
    for name, spellings in sorted(spelled.items()):
        if len(spellings) > 1 and not is_number(name):
            logger.warning(
                "The class %r of the column %r is written in %d Unicode forms; they are one class.",
                name,
                first.name,
                len(spellings),
            )

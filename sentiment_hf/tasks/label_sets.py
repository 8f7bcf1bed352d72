"""The labels of texts that may have several: lists, names with a delimiter between them, or a column for each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sentiment_hf.common.errors import InputError, excerpt
from sentiment_hf.tasks.class_names import read_class_names
from sentiment_hf.tasks.label_column import SEVERAL, LabelColumn, class_names

# Stands between the labels of a text where they are written as one text.
BETWEEN = "|"

# Cells that become Python objects at a time.
CHUNK = 10_000

# The cells of a column that says of each text whether it has the label.
TRUTH = {"1": True, "0": False, "True": True, "False": False, "true": True, "false": False}


def holds_lists(column: LabelColumn) -> bool:
    """Whether the first cell that is not missing is a list."""
    cells = (cell for start in range(0, len(column.cells), CHUNK) for cell in column.cells[start : start + CHUNK])
    return isinstance(next((cell for cell in cells if cell is not None), None), SEVERAL)


def read_label_sets(
    columns: Mapping[str, Sequence[LabelColumn]], delimiter: str | None
) -> tuple[list[str], dict[str, np.ndarray]]:
    """(names of the labels as `read_class_names` orders them; by split, (rows, labels) whether a row has each).

    A cell is a list of labels, or a text with `delimiter` between them. It may have none.

    Raises:
        InputError: a cell is something else, a label is missing or no name, or train has no label at all.
    """
    singles, rows = {}, {}
    for split, pieces in columns.items():
        found = [one_label_each(column, delimiter) for column in pieces]
        singles[split], rows[split] = [column for column, _ in found], [row for _, row in found]
    first = columns["train"][0]
    if not any(len(column.cells) for column in singles["train"]):
        raise InputError(f"{first.source}: no row has a label in {first.name!r}; there is nothing to learn.")
    order, names = read_class_names(singles)
    refuse_delimiter(order, first)
    known = {name for piece in names["train"] for name in piece}
    ids = {name: index for index, name in enumerate(order)}
    labels = {}
    for split, pieces in columns.items():
        parts = []
        for column, single, row, found in zip(pieces, singles[split], rows[split], names[split], strict=True):
            refuse_new_labels(single, found, known, split)
            member = np.zeros((len(column.cells), len(order)), dtype=bool)
            member[row, np.array([ids[name] for name in found], np.int64)[single.distinct.codes]] = True
            parts.append(member)
        labels[split] = np.concatenate(parts)
    return order, labels


def one_label_each(column: LabelColumn, delimiter: str | None) -> tuple[LabelColumn, np.ndarray]:
    """(the labels of all texts, one behind the other; (labels,) the row that each stands in)."""
    cells, counts = [], []
    for start in range(0, len(column.cells), CHUNK):
        for row, cell in enumerate(column.cells[start : start + CHUNK], start):
            found = labels_of(cell, column, row, delimiter)
            cells += found
            counts.append(len(found))
    rows = np.repeat(np.arange(len(column.cells)), counts)
    return replace(column, cells=cells, place=lambda index: column.place(int(rows[index]))), rows


def labels_of(cell: object, column: LabelColumn, row: int, delimiter: str | None) -> list:
    """The labels in one cell."""
    if isinstance(cell, list | tuple | np.ndarray) and delimiter is None:
        return list(cell)
    if delimiter is not None and (cell is None or isinstance(cell, str)):
        return [name for name in (cell or "").split(delimiter) if name.strip()]
    expected = "a list of labels" if delimiter is None else f"text with {delimiter!r} between the labels"
    hint = "" if delimiter else "; labels in one text are split by --label_delimiter"
    raise InputError(f"{column.place(row)}: {column.name!r} is {excerpt(cell)}; expected {expected}{hint}.")


def read_truth(
    columns: Mapping[str, Sequence[Sequence[LabelColumn]]],
) -> tuple[list[str], dict[str, np.ndarray]]:
    """(names of the columns; by split, (rows, labels) whether a row has each).

    columns: by split, for each table its columns, all in the same order. A cell is 1 or 0, or true or false.

    Raises:
        InputError: a cell is something else.
    """
    first = columns["train"][0]
    names = [column.label_map.get(column.name, column.name) for column in first]
    refuse_delimiter(names, first[0])
    return names, {
        split: np.concatenate([np.stack([truth_of(column) for column in table], axis=1) for table in tables])
        for split, tables in columns.items()
    }


def truth_of(column: LabelColumn) -> np.ndarray:
    """(rows,) whether the cell is 1 or true."""
    found = []
    for row, name in zip(column.distinct.first_rows, class_names(column), strict=True):
        if name not in TRUTH:
            raise InputError(
                f"{column.place(row)}: {column.name!r} is {name!r}; with --label_column_names each column says of a "
                "text whether it has this label, by 1 or 0, or true or false."
            )
        found.append(TRUTH[name])
    return np.array(found)[column.distinct.codes]


def refuse_delimiter(names: Sequence[str], column: LabelColumn) -> None:
    """Raise InputError if a name holds what stands between labels in answers and files."""
    if taken := [name for name in names if BETWEEN in name]:
        raise InputError(
            f"{column.source}: the label {taken[0]!r} contains {BETWEEN!r}, which stands between the labels of a text "
            "in predictions; split such cells by --label_delimiter, or rename the label by --label_map."
        )


def refuse_new_labels(column: LabelColumn, names: Sequence[str], known: set[str], split: str) -> None:
    """Raise InputError if a name of the `distinct` cells is no label of train (`known`)."""
    for row, name in zip(column.distinct.first_rows, names, strict=True):
        if name not in known:
            raise InputError(
                f"{column.place(row)}: the label {name!r} stands in {split} but in no row of train, so it cannot be "
                f"learned. Labels of train: {', '.join(sorted(known))}"
            )


def written(names: Sequence[str], members: np.ndarray) -> Iterator[str]:
    """For each row of (rows, labels) truth values, the sorted names of its labels with `BETWEEN` between them."""
    for row in members:
        yield BETWEEN.join(sorted(names[index] for index in np.flatnonzero(row)))


def read_written(names: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """The inverse of `written`."""
    places = {name: index for index, name in enumerate(names)}
    members = np.zeros((len(texts), len(names)), dtype=bool)
    for row, text in enumerate(texts):
        for name in text.split(BETWEEN) if text else ():
            members[row, places[name]] = True
    return members

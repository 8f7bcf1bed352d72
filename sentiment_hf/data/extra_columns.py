"""Columns beside the text (--extra_column_names): of which kind each is, and the cells of each row."""

import logging
import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sentiment_hf.common.arrow_column import ArrowColumn, CodedColumn
from sentiment_hf.common.characters import refuse_surrogate
from sentiment_hf.common.class_names import canonical
from sentiment_hf.common.errors import InputError, excerpt
from sentiment_hf.common.extra_columns import ColumnSchema, ColumnValues
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.columns import names_in, require_columns
from sentiment_hf.data.sources import Tables
from sentiment_hf.data.table import Table
from sentiment_hf.tasks.label_column import SEVERAL, Distinct, digits_of

logger = logging.getLogger(__name__)

FLAG = "--extra_column_names"

# A number as a text. `float` takes more, such as 1_000.
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

# Of more different values than this there is a warning; a column with one for every second row is refused.
MANY_VALUES = 1000
# The share of numbers from which a column of words is thought to be meant as one of numbers.
MOSTLY = 0.5


def find_extra_columns(tables: Tables, value: str, used: Sequence[str]) -> list[str]:
    """The columns of --extra_column_names; raises InputError if one is missing somewhere, or is text or label."""
    names = list(dict.fromkeys(names_in(value, tables["train"][0].columns)))
    for table in (table for pieces in tables.values() for table in pieces):
        require_columns(table, names, FLAG)
    if taken := [name for name in names if name in used]:
        raise InputError(f"{FLAG}: the column {taken[0]!r} is the text or the label already; leave it out.")
    return names


def with_columns(
    parts: dict[str, LabelledTexts], tables: Tables, names: Sequence[str], known: ColumnSchema | None
) -> tuple[dict[str, LabelledTexts], ColumnSchema]:
    """The parts with the cells of their rows, and the schema: that of a checkpoint if `known`, else by train.

    Raises:
        InputError: a column cannot be used, or a checkpoint was trained with other columns.
    """
    if known and set(known.names) != set(names):
        raise InputError(
            f"{FLAG} {','.join(names)}: the checkpoint was trained with {', '.join(known.names)}; give these columns"
        )
    schema = known or schema_of(tables["train"], names, parts["train"])
    of_source = {split: read_values(pieces, schema) for split, pieces in tables.items()}
    values = {split: of_source.get(split, of_source["train"])[part.rows] for split, part in parts.items()}
    return {split: part.with_extra(values[split]) for split, part in parts.items()}, schema


def with_prefixes(parts: dict[str, LabelledTexts], tables: Tables, names: Sequence[str]) -> dict[str, LabelledTexts]:
    """The parts with their columns in front of the texts (--columns_as_text)."""
    of_source = {
        split: pa.chunked_array([prefixes(table, names) for table in pieces]) for split, pieces in tables.items()
    }
    return {split: part.with_prefix(of_source.get(split, of_source["train"])) for split, part in parts.items()}


def schema_of(pieces: Sequence[Table], names: Sequence[str], train: LabelledTexts) -> ColumnSchema:
    """The kind of each column by the cells of train, with the mean and deviation or the values of its rows."""
    numbers, categories = {}, {}
    for name in names:
        source = pieces[0].source
        if is_number_column(pieces, name):
            cells = numbers_of(pieces, name)[train.rows]
            present = cells[~np.isnan(cells)]
            refuse_useless(name, source, *np.unique(cells, return_inverse=True, equal_nan=True), train)
            numbers[name] = [float(present.mean()), float(present.std()) or 1.0]
            how = f"numbers, mean {numbers[name][0]:.4g}, {len(cells) - len(present):,} missing"
        else:
            values, codes = names_of(pieces, name)
            seen, places = np.unique(codes[train.rows], return_inverse=True)
            refuse_useless(name, source, seen, places, train)
            categories[name] = sorted(values[code] for code in seen if values[code] is not None)
            refuse_too_many(name, source, len(categories[name]), len(train))
            how = f"categories, {len(categories[name]):,} values"
        logger.warning("%s: %r is read as %s", FLAG, name, how)
    return ColumnSchema(numbers, categories)


def refuse_useless(name: str, source: str, values: np.ndarray, places: np.ndarray, train: LabelledTexts) -> None:
    """Raise InputError if all rows have one value, or if each value belongs to one class and each class to one value.

    values: the different cells. places: (rows,) the place there of the cell of each row.
    """
    if len(values) < 2:
        raise InputError(f"{source}: every row of train has the same value in {name!r}; leave it out of {FLAG}.")
    labels, label_places = np.unique(train.labels, axis=0, return_inverse=True)
    pairs = np.unique(np.stack([places.ravel(), label_places.ravel()]), axis=1)
    if pairs.shape[1] == len(values) == len(labels):
        raise InputError(
            f"{source}: the column {name!r} says the class of every row, as the label itself does; leave it out of "
            f"{FLAG}."
        )


def refuse_too_many(name: str, source: str, values: int, rows: int) -> None:
    """Raise InputError for a column with a value of its own for every second row; warn of many values."""
    if 2 * values > rows:
        raise InputError(
            f"{source}: the column {name!r} has {values:,} different values in {rows:,} rows of train, so it names "
            f"rows or is text; leave it out of {FLAG}, or add it to --text_column_names."
        )
    if values > MANY_VALUES:
        logger.warning("%s: %r has %s different values; most are in few rows", FLAG, name, f"{values:,}")


def is_number_column(pieces: Sequence[Table], name: str) -> bool:
    """Whether all cells are numbers or missing, and one is a number. Says so if only a few are not."""
    if any(name in table.classes for table in pieces):
        return False
    found = [cells_as_numbers(table.columns[name]) for table in pieces]
    wrong = sum(len(bad) for _, bad in found)
    numbers = sum(int((~np.isnan(cells)).sum()) for cells, _ in found)
    if wrong and numbers / (numbers + wrong) > MOSTLY:
        table, row = next((table, bad[0]) for table, (_, bad) in zip(pieces, found, strict=True) if len(bad))
        logger.warning(
            "%s: %r is %s, so the column is read as categories; leave a missing number empty",
            *(table.place(row), name, excerpt(table.columns[name][row])),
        )
    return not wrong and numbers > 0


def read_values(pieces: Sequence[Table], schema: ColumnSchema) -> ColumnValues:
    """The cells of all rows; raises InputError if a cell of a number column is no number."""
    rows = sum(table.num_rows for table in pieces)
    numbers = np.empty((rows, len(schema.numbers)), np.float32)
    for place, name in enumerate(schema.numbers):
        numbers[:, place] = numbers_of(pieces, name)
    categories = np.empty((rows, len(schema.categories)), np.int32)
    for place, (name, known) in enumerate(schema.categories.items()):
        code_of = {value: code for code, value in enumerate(known, start=1)}
        values, codes = names_of(pieces, name)
        categories[:, place] = np.array([code_of.get(value, 0) for value in values], np.int32)[codes]
    return ColumnValues(numbers, categories)


def numbers_of(pieces: Sequence[Table], name: str) -> np.ndarray:
    """(rows,) float64, NaN for a missing cell; raises InputError for a cell that is no finite number."""
    found = []
    for table in pieces:
        cells, wrong = cells_as_numbers(table.columns[name])
        wrong = [*wrong, *np.flatnonzero(np.isinf(cells.astype(np.float32)))]
        if wrong:
            raise InputError(
                f"{table.place(min(wrong))}: {name!r} is {excerpt(table.columns[name][int(min(wrong))])}, and the "
                "column is one of numbers; expected a number, or an empty cell."
            )
        found.append(cells)
    return np.concatenate(found)


def cells_as_numbers(column: Sequence) -> tuple[np.ndarray, list[int]]:
    """((rows,) float64, NaN for a cell that is missing or no number; the rows of the first cells that are none)."""
    if isinstance(column, ArrowColumn) and not isinstance(column, CodedColumn):
        kind = column.cells.type
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return pc.fill_null(column.cells.cast(pa.float64(), safe=False), np.nan).to_numpy(), []
    distinct = Distinct.of(column)
    values = [as_number(cell) for cell in distinct.cells]
    wrong = [row for value, row in zip(values, distinct.first_rows, strict=True) if value is None]
    return np.array([np.nan if value is None else value for value in values], np.float64)[distinct.codes], wrong


def as_number(cell: Any) -> float | None:
    """The number in a cell, NaN for a missing one, None for a cell that is no number."""
    if is_missing(cell):
        return np.nan
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return float(cell)
    return float(cell) if isinstance(cell, str) and NUMBER.fullmatch(cell.strip()) else None


def names_of(pieces: Sequence[Table], name: str) -> tuple[list[str | None], np.ndarray]:
    """(different values, None for a missing one; (rows,) the place there of each cell); raises InputError."""
    place_of: dict[str | None, int] = {}
    found = []
    for table in pieces:
        distinct = Distinct.of(table.columns[name])
        texts = [text_of(table, name, row) for row in distinct.first_rows]
        values = [None if text is None else canonical(text) for text in texts]
        places = [place_of.setdefault(value, len(place_of)) for value in values]
        found.append(np.array(places, np.int64)[distinct.codes])
    return list(place_of), np.concatenate(found)


def prefixes(table: Table, names: Sequence[str]) -> pa.Array:
    """(rows,) large_string: "country: de . price: 34 . ", without the columns that are missing in a row."""
    kind, joined = pa.large_string(), []
    for name in names:
        distinct = Distinct.of(table.columns[name])
        texts = [text_of(table, name, row) for row in distinct.first_rows]
        texts = pa.array(["" if text is None else f"{name}: {text} . " for text in texts], kind)
        joined.append(texts.take(pa.array(distinct.codes)))
    return pc.binary_join_element_wise(*joined, pa.scalar("", kind))


def text_of(table: Table, name: str, row: int) -> str | None:
    """The cell as text, None if it is missing; a class id is the name of its class. Raises InputError."""
    cell, classes = table.columns[name][row], table.classes.get(name)
    if isinstance(cell, SEVERAL):
        raise InputError(
            f"{table.place(row)}: {name!r} is a {type(cell).__name__}; a column of {FLAG} has one number or word per "
            "row."
        )
    if is_missing(cell):
        return None
    if classes is not None and isinstance(cell, int):
        return classes[cell] if 0 <= cell < len(classes) else None
    text = digits_of(cell) if isinstance(cell, float | Decimal) and np.isfinite(float(cell)) else str(cell)
    refuse_surrogate(text, table.place(row), name)
    return text


def is_missing(cell: Any) -> bool:
    """Whether a cell is null, NaN or blank."""
    return cell is None or (isinstance(cell, float) and cell != cell) or (isinstance(cell, str) and not cell.strip())

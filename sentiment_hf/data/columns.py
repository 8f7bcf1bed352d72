"""Find the text and the label among the columns, and read their cells."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.characters import refuse_surrogate
from sentiment_hf.common.class_names import parse_label_map
from sentiment_hf.common.errors import InputError, did_you_mean, excerpt, listed
from sentiment_hf.data.sources import Tables
from sentiment_hf.data.table import Table
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.read_task import read_task
from sentiment_hf.tasks.task import Task

TEXT_NAMES = {
    *("text", "review", "sentence", "content", "comment", "document", "tweet", "body", "message", "phrase"),
    *("utterance", "review_text", "reviewtext", "review_body", "review_content"),
}
LABEL_NAMES = {
    *("label", "labels", "sentiment", "class", "category", "target", "rating", "ratings", "stars"),
    *("star_rating", "polarity"),
}


def find_columns(table: Table, args: DataArguments) -> tuple[list[str], list[str]]:
    """(text columns, label columns) of train: named by the flags, or with usual names; raises InputError."""
    texts = find_text_columns(table, args.text_column_names)
    labels = find_label_columns(table, args)
    if both := [label for label in labels if label in texts]:
        raise InputError(
            f"{table.source}: the column {both[0]!r} cannot be both text and label; see --text_column_names."
        )
    return texts, labels


def find_label_columns(table: Table, args: DataArguments) -> list[str]:
    """The columns of --label_column_names, or the one of --label_column_name or with a usual name."""
    if args.label_column_names is not None:
        labels = list(names_in(args.label_column_names, table.columns))
        require_columns(table, labels, "--label_column_names")
        return labels
    label = args.label_column_name
    if label is None:
        label = _usual(table, LABEL_NAMES, "label", "--label_column_name")
    require_columns(table, [label], "--label_column_name")
    return [label]


def find_text_columns(table: Table, names: str | None) -> list[str]:
    """The comma-separated columns of --text_column_names, or the one with a usual name; raises InputError."""
    if names is None:
        return [_usual(table, TEXT_NAMES, "text", "--text_column_names")]
    texts = list(names_in(names, table.columns))
    require_columns(table, texts, "--text_column_names")
    return texts


def names_in(value: str, columns: Iterable[str]) -> Iterator[str]:
    """The names in a value with commas between them; a column with commas or blanks in its own name is one name."""
    stripped = {name.strip(): name for name in columns} | {name: name for name in columns}
    words = value.split(",")
    while words:
        ends = (end for end in range(len(words), 0, -1) if ",".join(words[:end]).strip() in stripped)
        end = next(ends, 1)
        yield stripped.get(",".join(words[:end]).strip(), words[0].strip())
        words = words[end:]


def require_columns(table: Table, names: Sequence[str], flag: str) -> None:
    """Raise InputError unless the table has each of these columns once."""
    for name in names:
        if name in table.doubled:
            place, name = table.header or table.source, table.doubled[name]
            raise InputError(f"{place}: the column name {name!r} stands there more than once; rename one.")
        if name not in table.columns:
            raise InputError(f"{table.source} has no column {name!r}{did_you_mean(name, table.columns)}; see {flag}.")


def _usual(table: Table, usual: set[str], what: str, flag: str) -> str:
    """The only column with a usual name; of several, the one that is called `what`, "text" or "label"."""
    found = [name for name in table.columns if name.strip().lower() in usual]
    if len(found) > 1:
        found = [name for name in found if name.strip().lower() == what] or found
    if len(found) == 1:
        require_columns(table, found, flag)
        return found[0]
    problem = f"several columns could hold the {what}" if found else f"no column has a usual name for the {what}"
    columns = "Columns by its first line" if table.header else "Columns"
    raise InputError(f"{table.source}: {problem}; name it by {flag}. {columns}: {listed(table.names)}")


def read_texts(table: Table, names: Sequence[str], delimiter: str) -> pa.ChunkedArray:
    """(rows,) string or large_string: a text per row, several columns joined by the delimiter.

    Raises InputError if a cell is null or no text.
    """
    in_arrow = [texts_in_arrow(table.columns[name]) for name in names]
    if all(texts is not None for texts in in_arrow):
        if len(names) == 1:
            return in_arrow[0]
        kind = pa.large_string()
        return pc.binary_join_element_wise(*(texts.cast(kind) for texts in in_arrow), pa.scalar(delimiter, kind))
    columns = [table.columns[name][:] for name in names]
    for name, column in zip(names, columns, strict=True):
        for index, cell in enumerate(column):
            if not isinstance(cell, str):
                found = "null or missing" if cell is None else f"{excerpt(cell)}, which is no text"
                raise InputError(
                    f"{table.place(index)}: {name!r} is {found}. A text is a string, an empty one too; "
                    "another column is chosen by --text_column_names."
                )
            refuse_surrogate(cell, table.place(index), name)
    texts = columns[0] if len(columns) == 1 else [delimiter.join(cells) for cells in zip(*columns, strict=True)]
    return pa.chunked_array([pa.array(texts, pa.large_string())])


def texts_in_arrow(column: Sequence) -> pa.ChunkedArray | None:
    """The column as it is, if it is one of Arrow with a text in each row."""
    if not isinstance(column, ArrowColumn) or column.cells.null_count:
        return None
    kind = column.cells.type
    if str(kind) in ("string", "large_string"):
        return column.cells
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return column.cells.cast(pa.large_string()) if str(kind) in ("string", "large_string", "string_view") else None


def read_labels(tables: Tables, names: Sequence[str], args: DataArguments) -> tuple[Task, dict[str, np.ndarray]]:
    """The task that the columns of these names are for, and the labels of the rows by split; raises InputError."""
    label_map = parse_label_map(args.label_map)
    columns = {
        split: [[label_column(table, name, label_map) for name in names] for table in pieces]
        for split, pieces in tables.items()
    }
    return read_task(columns, args)


def label_column(table: Table, name: str, label_map: Mapping[str, str]) -> LabelColumn:
    """The column of this name as the task reads it."""
    return LabelColumn(name, table.columns[name], table.source, table.place, table.classes.get(name), label_map)

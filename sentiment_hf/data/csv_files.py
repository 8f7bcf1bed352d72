"""Read a csv file as a table: every cell is a string, and every row has a line."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.table import Table


def read_csv_table(path: Path, delimiter: str = ",") -> Table:
    """The table in a csv file; every cell is a string, "NA", "null", "5" and "" included. Raises InputError."""
    records = _csv_records(path, delimiter)
    _, header = next(records, (1, []))
    if not header:
        raise InputError(f"{path} is empty; its first line has to name the columns, as in: text,label")
    if twice := {name for name in header if header.count(name) > 1}:
        raise InputError(f"{path}, line 1: the column name {min(twice)!r} stands there more than once; rename one.")
    rows, lines = [], []
    for line, cells in records:
        if len(cells) != len(header):
            raise InputError(
                f"{path}, line {line}: {len(cells)} fields, but the first line names {len(header)} columns "
                f'({", ".join(header)}). A text that holds the delimiter {delimiter!r} has to stand in "quotes".'
            )
        rows.append(cells)
        lines.append(line)
    if not rows:
        raise InputError(f"{path} has a first line with column names and no rows.")
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    return Table(str(path), columns, lambda index: f"{path}, line {lines[index]}")


def _csv_records(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """(number of its first line, fields) of each record; blank lines are skipped."""
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(read_utf8(path), newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise InputError(
                f"{path}, line {line}: a quote that opens in this row is not closed where a field ends ({error}). "
                'Write a quote inside a quoted text twice: "She said ""no""."'
            ) from error
        if cells is None:
            return
        if cells:
            yield line, cells

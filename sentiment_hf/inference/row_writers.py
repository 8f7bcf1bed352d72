"""Writes classified rows as they come: as csv, as JSON lines or as parquet."""

import csv
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment_hf.common.arrow_column import ArrowColumn, CodedColumn
from sentiment_hf.common.characters import printable
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import atomic_write
from sentiment_hf.common.spreadsheet import escape_formula
from sentiment_hf.data.table import Table

# The columns of a table, or some rows of them, by name.
Columns = Mapping[str, Sequence]


# The types of added columns in Arrow.
ADDED = {str: pa.string(), float: pa.float64(), bool: pa.bool_()}


class CsvRows:
    """Rows of csv, with a header."""

    def __init__(self, file: TextIO, names: Sequence[str], delimiter: str, raw: bool):
        """`raw`: cells are written as they are, and not so that a spreadsheet takes none for a formula."""
        # All texts are quoted: a spreadsheet with another separator could split a text and find a formula in the rest.
        quoting = csv.QUOTE_MINIMAL if raw else csv.QUOTE_NONNUMERIC
        self.file, self.raw, self.on_terminal = file, raw, file is sys.stdout and file.isatty()
        self.writer = csv.writer(file, quoting=quoting, delimiter=delimiter)
        self.writer.writerow(self.shown(names))

    def shown(self, row: Sequence) -> list:
        """The cells of a row as they are written."""
        cells = list(row) if self.raw else [escape_formula(cell) for cell in row]
        return [printable(cell) if isinstance(cell, str) else cell for cell in cells] if self.on_terminal else cells

    def write(self, columns: Columns) -> None:
        """Write rows."""
        self.writer.writerows(map(self.shown, zip(*columns.values(), strict=True)))
        self.file.flush()


class JsonRows:
    """Rows of JSON, an object in each line."""

    def __init__(self, file: TextIO):
        self.file = file

    def write(self, columns: Columns) -> None:
        """Write rows. A cell that JSON does not have, such as a date, is written as text."""
        for row in zip(*columns.values(), strict=True):
            self.file.write(json.dumps(dict(zip(columns, row, strict=True)), ensure_ascii=False, default=str) + "\n")
        self.file.flush()


class ParquetRows:
    """Rows of parquet. The columns of a parquet file keep their types."""

    def __init__(self, path: Path, table: Table, added: Mapping[str, type]):
        """`added`: the columns behind those of `table`, by the types of `ADDED`."""
        fields = [(name, arrow_type(table, name)) for name in table.columns]
        fields += [(name, ADDED[kind]) for name, kind in added.items()]
        self.schema = pa.schema(fields)
        self.writer = pq.ParquetWriter(path, self.schema)

    def write(self, columns: Columns) -> None:
        """Write rows."""
        arrays = [pa.array(columns[field.name], field.type) for field in self.schema]
        self.writer.write_table(pa.table(arrays, schema=self.schema))


RowWriter = CsvRows | JsonRows | ParquetRows


def arrow_type(table: Table, name: str) -> pa.DataType:
    """The type of a column in Arrow; raises InputError if its cells are of several kinds."""
    column = table.columns[name]
    if isinstance(column, ArrowColumn) and not isinstance(column, CodedColumn):
        return column.cells.type
    try:
        return pa.array(column[:]).type
    except (pa.ArrowException, UnicodeEncodeError, OverflowError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{table.source}: the column {name!r} cannot be a column of parquet ({reason}); give a --output that ends "
            "in .csv or .jsonl"
        ) from error


@contextmanager
def row_writer(
    output: Path | None, table: Table, added: Mapping[str, type], delimiter: str, raw: bool
) -> Iterator[RowWriter]:
    """Yield what writes the rows of `table` with the `added` columns to `output`; None is the standard output, as csv.

    Until all rows are there, the file is called OUTPUT.partial. It stays if an error ends the block.

    Raises:
        InputError: a column cannot be written as parquet.
    """
    names = [*table.names, *added]
    if output is None:
        yield CsvRows(sys.stdout, names, delimiter, raw)
        return
    with atomic_write(output, ".partial") as path, partial_said(path, output):
        if output.suffix.lower() == ".parquet":
            rows = ParquetRows(path, table, added)
            with rows.writer:
                yield rows
            return
        # Columns that the model does not read can contain surrogates, which UTF-8 cannot encode.
        with path.open("w", newline="", encoding="utf-8", errors="backslashreplace") as file:
            yield JsonRows(file) if output.suffix.lower() == ".jsonl" else CsvRows(file, names, delimiter, raw)


@contextmanager
def partial_said(path: Path, output: Path) -> Iterator[None]:
    """Say where the rows are that were written before an error ended the block."""
    try:
        yield
    except BaseException:
        if path != output and path.exists():
            print(f"the rows until here are in {path}", file=sys.stderr)
        raise


def columns_of(table: Table, rows: slice, added: Mapping[str, Any]) -> Columns:
    """Some rows of the table, and the `added` columns of these rows."""
    return {name: column[rows] for name, column in table.columns.items()} | added

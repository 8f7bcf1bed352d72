"""One way to read the lines of a csv file: with quotes, with quotes and escapes, or each line as a row."""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from sentiment_hf.common.errors import listed

# A spreadsheet writes it above the names of the columns.
SEPARATOR_LINE = re.compile(r"\"?sep=(?P<delimiter>[^\r\n])\"?\s*", re.IGNORECASE)


@dataclass(frozen=True)
class CsvFormat:
    r"""How a csv file is written.

    delimiter, quote: one character; `quote` is empty if quotation marks belong to the texts and each line is a row.
    escapes: whether \" is a quotation mark inside a quoted text.
    blanks: whether blanks behind a delimiter are no text, so that a quote behind them opens a quoted one.
    """

    delimiter: str
    quote: str = '"'
    escapes: bool = False
    blanks: bool = False

    def __str__(self) -> str:
        quote = f"quote {self.quote}" if self.quote else "no quotes"
        escapes = ", escaped by a backslash" if self.escapes else ""
        return f"delimiter {self.delimiter!r}{' with blanks' if self.blanks else ''}, {quote}{escapes}"


@dataclass(frozen=True)
class Problem:
    """Why a file is not written in a format: the line, what is wrong there, and whether a quote is."""

    line: int
    said: str
    of_quote: bool


@dataclass(frozen=True)
class CsvLines:
    """The lines of a file with their line ends, from the header on; `first` is the line number of the header."""

    lines: Sequence[str]
    first: int

    @classmethod
    def of(cls, text: str, first: int = 1) -> tuple[Self, str | None]:
        """(the lines, the delimiter that a first line `sep=;` of a spreadsheet names, or None).

        `first` is the number of the first line of the text.
        """
        lines = split_lines(text)
        named = SEPARATOR_LINE.fullmatch(lines[0]) if lines else None
        if named:
            lines[0] = "\n"
        above = next((number for number, line in enumerate(lines) if line.rstrip("\r\n")), len(lines))
        return cls(lines[above:], above + first), named and named["delimiter"]


def split_lines(text: str) -> list[str]:
    """The lines with their ends, which are those of the module csv: LF, CR LF or CR."""
    if text.count("\r") != text.count("\r\n"):
        return io.StringIO(text, newline="").readlines()
    # Several times faster.
    *lines, last = text.split("\n")
    return [*(f"{line}\n" for line in lines), *([last] if last else [])]


@dataclass(frozen=True)
class Reading:
    """The records of a file in one format, the header first; a blank line is an empty record.

    starts: the number of the first line of each record.
    problem: where and why the file is not in this format; the records are those before it.
    """

    format: CsvFormat
    starts: list[int]
    records: list[list[str]]
    problem: Problem | None

    @property
    def header(self) -> list[str]:
        """The names of the columns; empty for a file without lines."""
        return self.records[0] if self.records else []


def quoted_reading(source: CsvLines, format: CsvFormat) -> Reading:
    """The records by RFC 4180."""
    csv.field_size_limit(2**31 - 1)
    lines, escape = source.lines, None
    if format.escapes:
        lines, escape = lone_backslashes_doubled(lines, format.quote), "\\"
    marks = {"delimiter": format.delimiter, "quotechar": format.quote, "escapechar": escape}
    reader = csv.reader(lines, strict=True, skipinitialspace=format.blanks, **marks)
    starts, records, start = [], [], source.first
    try:
        for record in reader:
            starts.append(start)
            records.append(record)
            start = reader.line_num + source.first
    except csv.Error as error:
        said = f"a quote that opens in this row is not closed where a field ends ({error}). Write a quote inside a "
        said += 'quoted text twice: "She said ""no"".", or give --csv_quote none if quotes belong to the texts.'
        return Reading(format, starts, records, Problem(start, said, of_quote=True))
    return checked(format, starts, records)


def lone_backslashes_doubled(lines: Sequence[str], quote: str) -> Sequence[str]:
    """The lines with each backslash that escapes nothing doubled, so that the reader of escapes gives it back.

    Some programs escape the quote only (R, Spark), others the backslash too (Python).
    """
    escaped = re.compile(rf"\\[\\{quote}]")
    if not any("\\" in escaped.sub("", line) for line in lines if "\\" in line):
        return lines
    lone = re.compile(rf"\\(?!{quote})")
    return [lone.sub(r"\\\\", line) for line in lines]


def plain_reading(source: CsvLines, delimiter: str, *, one_column: bool = False) -> Reading:
    """Each line as a record, quotation marks as text; with `one_column` delimiters are text too."""
    format, records = CsvFormat(delimiter, quote=""), []
    width = 1 if one_column else source.lines[0].count(delimiter) + 1
    for line in source.lines:
        line = line.rstrip("\r\n")
        record = [line] if one_column else line.split(delimiter)
        records.append(record if line else [])
        if line and (len(record) < width or any(record[width:])):
            break
    return checked(format, [*range(source.first, source.first + len(records))], records)


def checked(format: CsvFormat, starts: list[int], records: list[list[str]]) -> Reading:
    """The reading, with the first record that has another number of fields than the header as its problem.

    If all records have the same number of empty fields behind the last column, these are columns without a name.
    """
    header, *rows = records
    width, widths = len(header), {len(row) for row in rows if row} or {len(header)}
    if len(widths) == 1 and max(widths) > width and not any(cell for row in rows for cell in row[width:]):
        width = max(widths)
        records = [[*header, *[""] * (width - len(header))], *rows]
    if widths == {width}:
        return Reading(format, starts, records, None)
    place = next(place for place, record in enumerate(records) if record and len(record) != width)
    remedy = f'A text that holds the delimiter {format.delimiter!r} has to stand in "quotes".'
    if not format.quote:
        remedy = f"Without quotes no text can hold the delimiter {format.delimiter!r}."
    said = f"{len(records[place])} fields, but the first line names {width} columns ({listed(header)}). {remedy}"
    return Reading(format, starts[:place], records[:place], Problem(starts[place], said, of_quote=False))

"""Read a csv file as a table: every cell is a string, and every row has a line."""

import hashlib
import logging
import re
import shlex
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.csv_choice import choose, read_on
from sentiment_hf.data.csv_reading import CsvFormat, CsvLines, Reading, split_lines
from sentiment_hf.data.row_pieces import RowPiece, keep_rows
from sentiment_hf.data.table import NoRowsError, Table, unique_names
from sentiment_hf.data.text_pieces import TextPiece, text_pieces
from sentiment_hf.settings.csv_settings import CsvSettings

logger = logging.getLogger(__name__)

# How an object, or an array of objects, begins.
JSON_BEGIN = re.compile(r"\s*(\[\s*)?\{\s*\"[^\"]*\"\s*:")

# A line of nothing else is no row at the end of a file.
NOTHING = b",;|\t \r\n"

# What is left out between rows.
FURTHER = "; the same further down"
BLANK, NAMES = "a blank line is no row", "the names of the columns again, which is no row"


def read_csv_table(
    path: Path, usual: str = ",", settings: CsvSettings | None = None, cache: Cache | None = None
) -> Table:
    """The table in a csv file; every cell is a string, "NA", "null", "5" and "" included.

    usual: the delimiter that the suffix of the file promises. It and the quotes are decided by the file, by its first
        32 MiB, unless `settings` say what they are, and said if they are not the usual ones.
    cache: where the rows of a large file are kept.

    Raises:
        InputError: the file is empty or JSON, or has a row of another number of fields than the header.
    """
    settings = settings or CsvSettings()
    key = hashlib.sha256(repr((usual, settings)).encode()).hexdigest()[:16]
    rows = keep_rows(path, key, lambda: CsvReader(path, usual, settings), cache or Cache())
    for note in rows.facts["notes"]:
        logger.warning("%s%s", path, note)
    if not rows.columns:
        raise NoRowsError(f"{path} has a first line with column names and no rows.")
    return Table(
        str(path),
        columns=rows.columns,
        place=lambda index: f"{path}, line {rows.numbers[index]}",
        doubled=rows.facts["doubled"],
        header=f"{path}, line {rows.facts['header']}",
        format=CsvFormat(**rows.facts["format"]),
    )


class CsvReader:
    """Reads a csv file piece by piece. The first piece decides how the file is written."""

    def __init__(self, path: Path, usual: str, settings: CsvSettings):
        self.path, self.usual, self.settings = path, usual, settings
        self.head: CsvLines | None = None
        self.reading: Reading | None = None
        self.said: list[str] = []
        self.left_out: dict[str, list[int]] = {}

    def pieces(self) -> Iterator[RowPiece]:
        """Yield the rows of the pieces; raises InputError as `read_csv_table`."""
        for piece in text_pieces(self.path, self.end_of_records):
            source = self.lines_of(piece)
            if not source.lines:
                continue
            reading = self.read(source)
            numbered = list(zip(reading.starts, reading.records, strict=True))[1:]
            if piece.is_last:
                numbered = self.without_end(source, numbered)
            if rows := self.filled(numbered):
                numbers, cells = zip(*rows, strict=True)
                columns = zip(*cells, strict=True)
                yield RowPiece(numbers, dict(zip(unique_names(self.reading.header)[0], columns, strict=True)))
        if self.head is None:
            raise NoRowsError(f"{self.path} is empty; its first line has to name the columns, as in: text,label")

    @property
    def facts(self) -> dict[str, Any]:
        """How the file is written, the line and the doubled names of its header, and what is to be said."""
        counted = [
            f", line {lines[0]}: {what}; there are {len(lines)} of them." for what, lines in self.left_out.items()
        ]
        return {
            "format": asdict(self.reading.format),
            "header": self.head.first,
            "doubled": unique_names(self.reading.header)[1],
            "notes": [*self.said, *counted],
        }

    def end_of_records(self, data: bytes) -> int:
        """The place behind the last line that ends a row and is one; 0 if there is none.

        A line end stands inside of quotes if the quotation marks before it are odd in number. Until it is known
        whether a backslash escapes them, those without one have to be even in number as well.
        """
        format = self.reading and self.reading.format
        mark = (self.settings.quote or '"').encode()
        end = data.rfind(b"\n") + 1
        marks, escaped = data.count(mark, 0, end), data.count(b"\\" + mark, 0, end)
        while end:
            begin = data.rfind(b"\n", 0, end - 1) + 1
            line = data[begin:end]
            if line.strip(NOTHING) and ends_record(format, marks, escaped):
                return end
            marks, escaped, end = marks - line.count(mark), escaped - line.count(b"\\" + mark), begin
        return 0

    def lines_of(self, piece: TextPiece) -> CsvLines:
        """The lines of a piece below those of the header."""
        if self.head:
            return CsvLines([*self.head.lines, *split_lines(piece.text)], piece.first - len(self.head.lines))
        refuse_json(self.path, piece.text)
        source, named = CsvLines.of(piece.text, piece.first)
        if named and self.settings.delimiter is None:
            self.settings = CsvSettings(named, self.settings.quote)
        return source

    def read(self, source: CsvLines) -> Reading:
        """The records of a piece, the header first; raises InputError if they are not written as those above."""
        try:
            choice = (
                read_on(source, self.reading.format, self.settings.quote)
                if self.reading
                else choose(source, self.usual, self.settings)
            )
        except InputError as error:
            raise InputError(f"{self.path}: {error}") from error
        reading = choice.reading
        if reading.problem:
            raise InputError(f"{self.path}, line {reading.problem.line}: {reading.problem.said}")
        if self.head is None:
            self.head, self.reading = (
                head_of(source, reading),
                replace(reading, starts=[], records=reading.records[:1]),
            )
        elif len(reading.header) != len(self.reading.header):
            raise InputError(
                f"{self.path}, line {source.first + len(self.head.lines)}: {len(reading.header)} fields from here on, "
                f"but {len(self.reading.header)} above, the empty ones at the end of a row included."
            )
        if not self.said:
            self.said = [f": {note}" for note in choice.said]
        elif choice.said and not self.said[-1].endswith(FURTHER):
            self.said[-1] += FURTHER
        return reading

    def without_end(self, source: CsvLines, numbered: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
        """The rows without blank lines at the end, and without those of nothing but delimiters, which are said."""
        while numbered and not numbered[-1][1]:
            numbered.pop()
        kept, nothing = len(numbered), f"{self.reading.format.delimiter} \t\r\n"
        while kept and not source.lines[numbered[kept - 1][0] - source.first].strip(nothing):
            kept -= 1
        if kept < len(numbered):
            lines = " to ".join(map(str, dict.fromkeys([numbered[kept][0], numbered[-1][0]])))
            self.said.append(f", line {lines}: nothing but delimiters at the end of the file; left out.")
        return numbered[:kept]

    def filled(self, numbered: list[tuple[int, list[str]]]) -> list[tuple[int, list[str]]]:
        """(line, fields) of each row. Left out and counted are blank lines, and lines that name the columns again, as
        where files were put together. In a file of one column these are texts, a blank line an empty one.
        """
        header = self.reading.header
        if len(header) == 1:
            return [(line, cells or [""]) for line, cells in numbered]
        kept = []
        for line, cells in numbered:
            if cells and cells != header:
                kept.append((line, cells))
            else:
                self.left_out.setdefault(NAMES if cells else BLANK, []).append(line)
        return kept


def ends_record(format: CsvFormat | None, marks: int, escaped: int) -> bool:
    """Whether a line end behind so many quotation marks, and so many with a backslash before them, is that of a row.

    `format` is None as long as it is not known.
    """
    if format is None:
        return marks % 2 == 0 and escaped % 2 == 0
    return not format.quote or (marks - escaped * format.escapes) % 2 == 0


def head_of(source: CsvLines, reading: Reading) -> CsvLines:
    """The lines of the header alone."""
    end = reading.starts[1] - source.first if len(reading.starts) > 1 else len(source.lines)
    return CsvLines(source.lines[:end], source.first)


def refuse_json(path: Path, text: str) -> None:
    """Raise InputError if the text of a csv file begins as JSON does."""
    if JSON_BEGIN.match(text):
        new = path.with_suffix(".jsonl")
        raise InputError(f"{path} is JSON; name it so: `mv {shlex.quote(str(path))} {shlex.quote(str(new))}`")

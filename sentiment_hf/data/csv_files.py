"""Read a csv file as a table: every cell is a string, and every row has a line."""

import logging
import re
import shlex
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.csv_choice import choose
from sentiment_hf.data.csv_reading import CsvLines, Reading
from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.table import NoRowsError, Table, unique_names
from sentiment_hf.settings.csv_settings import CsvSettings

logger = logging.getLogger(__name__)

# How an object, or an array of objects, begins.
JSON_BEGIN = re.compile(r"\s*(\[\s*)?\{\s*\"[^\"]*\"\s*:")


def read_csv_table(path: Path, usual: str = ",", settings: CsvSettings | None = None) -> Table:
    """The table in a csv file; every cell is a string, "NA", "null", "5" and "" included.

    usual: the delimiter that the suffix of the file promises. It and the quotes are decided by the file unless
        `settings` say what they are, and said if they are not the usual ones.

    Raises:
        InputError: the file is empty or JSON, or has a row of another number of fields than the header.
    """
    text = read_utf8(path)
    refuse_json(path, text)
    source, named = CsvLines.of(text)
    settings = settings or CsvSettings()
    if named and settings.delimiter is None:
        settings = CsvSettings(named, settings.quote)
    if not source.lines:
        raise NoRowsError(f"{path} is empty; its first line has to name the columns, as in: text,label")
    try:
        choice = choose(source, usual, settings)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    reading = choice.reading
    if reading.problem:
        raise InputError(f"{path}, line {reading.problem.line}: {reading.problem.said}")
    for note in choice.said:
        logger.warning("%s: %s", path, note)
    rows = filled_rows(path, source, reading)
    if not rows:
        raise NoRowsError(f"{path} has a first line with column names and no rows.")
    lines, cells = zip(*rows, strict=True)
    names, doubled = unique_names(reading.header)
    return Table(
        str(path),
        columns=dict(zip(names, zip(*cells, strict=True), strict=True)),
        place=lambda index: f"{path}, line {lines[index]}",
        doubled=doubled,
        header=f"{path}, line {source.first}",
        format=reading.format,
    )


def refuse_json(path: Path, text: str) -> None:
    """Raise InputError if the text of a csv file begins as JSON does."""
    if JSON_BEGIN.match(text):
        new = path.with_suffix(".jsonl")
        raise InputError(f"{path} is JSON; name it so: `mv {shlex.quote(str(path))} {shlex.quote(str(new))}`")


def filled_rows(path: Path, source: CsvLines, reading: Reading) -> list[tuple[int, list[str]]]:
    """(line, fields) of each row. Left out and said are blank lines, and lines that name the columns again, as where
    files were put together; at the end also lines of nothing but delimiters.

    A blank line in a file of one column is an empty text, except at the end.
    """
    numbered = list(zip(reading.starts, reading.records, strict=True))[1:]
    while numbered and not numbered[-1][1]:
        numbered.pop()
    kept, nothing = len(numbered), f"{reading.format.delimiter} \t\r\n"
    while kept and not source.lines[numbered[kept - 1][0] - source.first].strip(nothing):
        kept -= 1
    if kept < len(numbered):
        lines = dict.fromkeys([numbered[kept][0], numbered[-1][0]])
        place = " to ".join(map(str, lines))
        logger.warning("%s, line %s: nothing but delimiters at the end of the file; left out.", path, place)
    rows = without_names(path, numbered[:kept], reading.header)
    blank = [line for line, cells in rows if not cells]
    if blank and len(reading.header) > 1:
        logger.warning("%s, line %d: a blank line is no row; there are %d of them.", path, blank[0], len(blank))
        return [(line, cells) for line, cells in rows if cells]
    return [(line, cells or [""]) for line, cells in rows] if blank else rows


def without_names(path: Path, rows: list[tuple[int, list[str]]], header: list[str]) -> list[tuple[int, list[str]]]:
    """The rows without those that are the names of the columns again. A file of one column may have such a text."""
    again = [line for line, cells in rows if cells == header] if len(header) > 1 else []
    if not again:
        return rows
    logger.warning(
        "%s, line %d: the names of the columns again, which is no row; there are %d of them.",
        path,
        again[0],
        len(again),
    )
    return [(line, cells) for line, cells in rows if cells != header]

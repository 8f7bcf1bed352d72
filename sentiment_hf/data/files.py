"""Read a single file as a table: texts are not altered, and an error can name every row."""

import codecs
import csv
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset

from sentiment_hf.common.errors import InputError

SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".parquet")
UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True)
class Table:
    """The rows of a file or a part.

    source: the name of the file or part for messages.
    columns: a value per row by name of the column, unaltered.
    place: index of a row, from 0 -> the name of that row for messages.
    classes: class names of each ClassLabel column.
    """

    source: str
    columns: Mapping[str, Sequence]
    place: Callable[[int], str]
    classes: dict[str, list[str]] = field(default_factory=dict)


def read_file(path: Path, flag: str) -> Table:
    """The table in a csv, tsv, json, jsonl or parquet file, or in a folder CLASS/*.txt.

    Raises:
        InputError: the file is missing, of another kind, empty or damaged; the message begins with `flag` or the path.
    """
    if not path.exists():
        raise InputError(f"{flag} {path}: there is no such file.")
    if path.is_dir():
        return read_class_folders(path)
    suffix = path.suffix.lower()
    if suffix in (".csv", ".tsv"):
        return read_csv_table(path, "\t" if suffix == ".tsv" else ",")
    if suffix in (".json", ".jsonl"):
        return read_json_table(path)
    if suffix == ".parquet":
        return read_parquet_table(path)
    raise InputError(
        f"{flag} {path}: a file ends in {', '.join(SUFFIXES)}, or it is a folder with one folder of .txt files "
        "per class."
    )


def read_utf8(path: Path) -> str:
    """The text of a UTF-8 file without its byte-order mark; raises InputError with the line that is not UTF-8."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = len((error.object[: error.start] + b".").splitlines())
        found = "its byte-order mark is that of UTF-16" if data.startswith(UTF16_MARKS) else f"{error.reason}"
        raise InputError(
            f"{path}, line {line}: not UTF-8 (byte 0x{error.object[error.start]:02x}; {found}). "
            "Save the file as UTF-8, for example by `iconv -f LATIN1 -t UTF-8`."
        ) from error


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


def read_json_table(path: Path) -> Table:
    """The table in a JSON file: an array of objects, {"data": [...]}, or an object per line.

    A key that an object lacks is None in its row. Raises InputError.
    """
    unit, numbered = _json_rows(path, read_utf8(path))
    if not numbered:
        raise InputError(f"{path} is empty; expected an array of objects, or an object per line.")
    for number, row in numbered:
        if not isinstance(row, dict):
            raise InputError(f'{path}, {unit} {number}: expected an object such as {{"text": ..., "label": ...}}.')
    names = dict.fromkeys(name for _, row in numbered for name in row)
    columns = {name: [row.get(name) for _, row in numbered] for name in names}
    return Table(str(path), columns, lambda index: f"{path}, {unit} {numbered[index][0]}")


def _json_rows(path: Path, text: str) -> tuple[str, list[tuple[int, object]]]:
    """("row", rows numbered from 1) of a file with one JSON value, ("line", rows by line number) of one with several.

    The content decides, not the suffix of the file.
    """
    try:
        content = _json(text, str(path)) if text.strip() else []
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return "line", list(_json_lines(path, text))
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from error
    if isinstance(content, dict):
        content = content.get("data", [content])
    return "row", list(enumerate(content if isinstance(content, list) else [content], start=1))


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield number, _json(line, f"{path}, line {number}")
            except json.JSONDecodeError as error:
                raise InputError(f"{path}, line {number}: not JSON ({error.msg}).") from error


def _json(text: str, place: str) -> object:
    """The parsed text.

    Raises:
        JSONDecodeError: the text is not JSON.
        InputError: it is nested too deeply, or a number has too many digits.
    """
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: JSON that cannot be read ({error}).") from error


def read_parquet_table(path: Path) -> Table:
    """The table in a parquet file; ClassLabel columns of the schema keep their class names. Raises InputError."""
    try:
        dataset = Dataset(pq.ParquetFile(path).read())
    # Damaged bytes and foreign schemas raise errors of many unrelated classes.
    except Exception as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a whole parquet file, or one that is no table ({reason}).") from error
    return dataset_table(dataset, str(path))


def dataset_table(dataset: Dataset, source: str) -> Table:
    """The table of a dataset; a column is read when it is indexed. Raises InputError if it is empty or damaged."""
    if not len(dataset):
        raise InputError(f"{source} has no rows.")
    try:
        # A full validation finds texts that are not UTF-8 and offsets that lead outside of the data.
        dataset.data.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{source} is damaged ({error}).") from error
    classes = {name: kind.names for name, kind in dataset.features.items() if isinstance(kind, ClassLabel)}
    columns = {name: dataset[name] for name in dataset.column_names}
    return Table(source, columns, lambda index: f"{source}, row {index + 1}", classes)


def read_class_folders(folder: Path) -> Table:
    """A row per file CLASS/*.txt; the class `unsup` is left out. Raises InputError.

    Classes are sorted by name, files within a class by the numbers in their names.
    """
    names = sorted({path.parent.name for path in folder.glob("*/*.txt")} - {"unsup"})
    if not names:
        raise InputError(
            f"{folder}: expected one folder of .txt files per class, as in {folder}/neg/0.txt; found none."
        )
    paths = [path for name in names for path in sorted((folder / name).glob("*.txt"), key=_by_number)]
    columns = {"text": [read_utf8(path) for path in paths], "label": [path.parent.name for path in paths]}
    return Table(str(folder), columns, lambda index: str(paths[index]))


def _by_number(path: Path) -> list[tuple[int, str]]:
    return [(int(part) if part.isdecimal() else -1, part) for part in re.split(r"(\d+)", path.name)]

"""Read a JSON file as a table: an array of objects, or an object per line."""

import json
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError, excerpt, listed
from sentiment_hf.data.row_pieces import RowPiece, keep_rows
from sentiment_hf.data.table import NoRowsError, Table
from sentiment_hf.data.text_pieces import TextPiece, behind_last_line, text_pieces

# Cells that a table may have, empty ones included, though its file has fewer characters. With a new key in each row
# their number is the square of that of the rows.
SPARSE_CELLS = 10**6


def read_json_table(path: Path, cache: Cache | None = None) -> Table:
    """The table in a JSON file: an array of objects, {"data": [...]}, or an object per line.

    A key that an object lacks is None in its row. The rows of a large file are kept in the `cache`.

    Raises:
        InputError: a row is no object, the file is written by columns, or almost every row has keys of its own.
    """
    rows = keep_rows(path, "json", lambda: JsonReader(path), cache or Cache())
    unit = rows.facts["unit"]
    return Table(str(path), rows.columns, lambda index: f"{path}, {unit} {rows.numbers[index]}")


class JsonReader:
    """Reads a JSON file: lines piece by piece, a single value at once."""

    def __init__(self, path: Path):
        self.path = path
        self.facts: dict[str, Any] = {}
        self.names: dict[str, None] = {}
        self.rows = self.characters = 0

    def pieces(self) -> Iterator[RowPiece]:
        """Yield the rows of the pieces; raises InputError as `read_json_table`."""
        pieces = text_pieces(self.path, behind_last_line)
        first = next(pieces)
        if not first.is_last and not begins_with_line(first.text):
            # Only the whole is JSON.
            first = TextPiece("".join(piece.text for piece in chain([first], pieces)), first.first, is_last=True)
        if first.is_last:
            unit, numbered = _json_rows(self.path, first.text)
            found = [self.piece_of(unit, numbered, len(first.text))]
        else:
            unit = "line"
            found = (
                self.piece_of(unit, list(_json_lines(self.path, piece)), len(piece.text))
                for piece in chain([first], pieces)
            )
        self.facts = {"unit": unit}
        yield from (piece for piece in found if piece.numbers)
        if not self.rows:
            raise NoRowsError(f"{self.path} is empty; expected an array of objects, or an object per line.")

    def piece_of(self, unit: str, numbered: list[tuple[int, object]], characters: int) -> RowPiece:
        """The columns of some rows; raises InputError if a row is no object, or all rows have too many columns."""
        for number, row in numbered:
            if not isinstance(row, dict):
                expected = 'expected an object such as {"text": ..., "label": ...}'
                raise InputError(f"{self.path}, {unit} {number}: {expected}, found {excerpt(row)}.")
        names = dict.fromkeys(name for _, row in numbered for name in row)
        self.names |= names
        self.rows, self.characters = self.rows + len(numbered), self.characters + characters
        if len(self.names) * self.rows > max(self.characters, SPARSE_CELLS):
            raise InputError(
                f"{self.path}: its {self.rows} rows have {len(self.names)} different keys "
                f"({listed(self.names, most=3)}), most of them in few rows; expected the same keys in every row. Keep "
                "those that are used."
            )
        numbers = [number for number, _ in numbered]
        return RowPiece(numbers, {name: [row.get(name) for _, row in numbered] for name in names})


def begins_with_line(text: str) -> bool:
    """Whether the first line that is not blank is JSON by itself, as where each line is an object."""
    line = text.lstrip().partition("\n")[0]
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _json_rows(path: Path, text: str) -> tuple[str, list[tuple[int, object]]]:
    """("row", rows numbered from 1) of a file with one JSON value, ("line", rows by line number) of one with several.

    The content decides, not the suffix of the file.
    """
    try:
        content = _json(text, str(path)) if text.strip() else []
    except json.JSONDecodeError as error:
        if error.msg == "Extra data":
            return "line", list(_json_lines(path, TextPiece(text, 1, is_last=True)))
        other = "" if text.lstrip()[0] in "{[" else " A csv file has the suffix .csv."
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg}).{other}") from error
    if isinstance(content, dict):
        _refuse_columns(path, content)
        content = content.get("data", [content])
    return "row", list(enumerate(content if isinstance(content, list) else [content], start=1))


def _refuse_columns(path: Path, content: dict) -> None:
    """Raise InputError for an object of columns, as pandas writes it, in place of rows."""
    kinds = {type(value) for value in content.values()}
    split, has_rows = isinstance(content.get("columns"), list), isinstance(content.get("data"), list)
    if (split and has_rows) or (not has_rows and kinds and kinds <= {dict, list}):
        orient = "split" if split and has_rows else "index" if _by_index(content) else "columns"
        raise InputError(
            f"{path}: expected an array of objects, or an object per line; this looks like an object of columns, as "
            f"pandas writes it with orient={orient!r}. Write it by to_json(path, orient='records', lines=True)."
        )


def _by_index(content: dict) -> bool:
    """Whether the values are rows: objects with the same names as keys, and not with numbers of rows."""
    rows = list(content.values())
    same = all(isinstance(row, dict) and row.keys() == rows[0].keys() for row in rows)
    return same and not all(key.isdigit() for key in rows[0])


def _json_lines(path: Path, piece: TextPiece) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(piece.text.split("\n"), start=piece.first):
        if line.strip():
            try:
                yield number, _json(line, f"{path}, line {number}")
            except json.JSONDecodeError as error:
                expected = "expected an object in each line, or one array of objects"
                raise InputError(f"{path}, line {number}: not JSON ({error.msg}); {expected}.") from error


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

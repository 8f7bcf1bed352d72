"""Read a JSON file as a table: an array of objects, or an object per line."""

import json
from collections.abc import Iterator
from pathlib import Path

from sentiment_hf.common.errors import InputError, excerpt, listed
from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.table import NoRowsError, Table

# Cells that a table may have, empty ones included, though its file has fewer characters. With a new key in each row
# their number is the square of that of the rows.
SPARSE_CELLS = 10**6


def read_json_table(path: Path) -> Table:
    """The table in a JSON file: an array of objects, {"data": [...]}, or an object per line.

    A key that an object lacks is None in its row.

    Raises:
        InputError: a row is no object, the file is written by columns, or almost every row has keys of its own.
    """
    text = read_utf8(path)
    unit, numbered = _json_rows(path, text)
    if not numbered:
        raise NoRowsError(f"{path} is empty; expected an array of objects, or an object per line.")
    for number, row in numbered:
        if not isinstance(row, dict):
            expected = 'expected an object such as {"text": ..., "label": ...}'
            raise InputError(f"{path}, {unit} {number}: {expected}, found {excerpt(row)}.")
    names = dict.fromkeys(name for _, row in numbered for name in row)
    if len(names) * len(numbered) > max(len(text), SPARSE_CELLS):
        raise InputError(
            f"{path}: its {len(numbered)} rows have {len(names)} different keys ({listed(names, most=3)}), most of "
            "them in few rows; expected the same keys in every row. Keep those that are used."
        )
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


def _json_lines(path: Path, text: str) -> Iterator[tuple[int, object]]:
    for number, line in enumerate(text.split("\n"), start=1):
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

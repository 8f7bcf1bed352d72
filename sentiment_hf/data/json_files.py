"""Read a JSON file as a table: an array of objects, or an object per line."""

import json
from collections.abc import Iterator
from pathlib import Path

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.table import Table


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

"""Read a text file with a text in each line."""

import re
from pathlib import Path

from sentiment_hf.data.encodings import read_utf8
from sentiment_hf.data.table import NoRowsError, Table

LINES_SUFFIX = ".txt"


def read_lines(path: Path) -> Table:
    """A table with the column `text`, a row for each line, an empty one too.

    Raises:
        InputError: there is no line, or the file is no UTF-8.
    """
    # Not `splitlines`, which knows more ends of lines than an editor does.
    lines = re.split(r"\r\n|\n|\r", read_utf8(path))
    if not lines[-1]:
        lines.pop()
    if not lines:
        raise NoRowsError(f"{path} is empty: expected a text in each line")
    return Table(str(path), {"text": lines}, lambda index: f"{path}, line {index + 1}")

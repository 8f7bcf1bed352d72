"""The language of each row of validation and test, by which their scores are given too."""

from collections.abc import Iterator, Mapping

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.columns import require_columns
from sentiment_hf.data.row_cells import cells_of_rows
from sentiment_hf.data.sources import Tables

# What a row without a language is listed as.
UNKNOWN = "unknown"

# Languages are few; a column with more values holds something else.
MOST_LANGUAGES = 200


def read_languages(parts: Mapping[str, LabelledTexts], tables: Tables, column: str) -> dict[str, np.ndarray]:
    """{part: (rows,) languages} of validation and test.

    Raises InputError if a part lacks the column, or it has too many values to be one of languages.
    """
    found = {}
    for part in ("validation", "test"):
        pieces = tables.get(part, tables["train"])
        for table in pieces:
            require_columns(table, [column], "--language_column_name")
        found[part] = np.array([*named(cells_of_rows(pieces, column, parts[part].rows))])
        if (count := len(np.unique(found[part]))) > MOST_LANGUAGES:
            raise InputError(
                f"--language_column_name {column}: {pieces[0].source} has {count} different values there; expected at "
                f"most {MOST_LANGUAGES} languages"
            )
    return found


def named(cells: Iterator) -> Iterator[str]:
    """Yield the cells as text."""
    for cell in cells:
        yield UNKNOWN if cell is None or cell != cell or not str(cell).strip() else str(cell).strip()

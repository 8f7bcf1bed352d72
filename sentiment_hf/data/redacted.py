"""Tables without personal data (--redact), before anything is made of their rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
from datasets.utils import tqdm

from sentiment_hf.common.arrow_column import ArrowColumn, CodedColumn
from sentiment_hf.common.labelled_texts import CHUNK
from sentiment_hf.common.redaction import KINDS, recognizers, redacted
from sentiment_hf.data.table import Table

# Rows from which on a bar shows how far it is.
MANY = 20_000


class RedactedColumn(Sequence):
    """A column that no model reads, redacted where it is read, cell by cell."""

    def __init__(self, cells: Sequence):
        self.cells = cells

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: int | slice) -> Any:
        # A slice is a list of cells, which is treated as one that is a cell.
        return without_personal_data(self.cells[index])


def without_personal_data(cell: Any) -> Any:
    """The cell with the texts in it redacted, also those in lists and structures."""
    if isinstance(cell, str):
        return redacted(cell)[0]
    if isinstance(cell, Mapping):
        return {name: without_personal_data(value) for name, value in cell.items()}
    return [without_personal_data(value) for value in cell] if isinstance(cell, list | tuple) else cell


def redacted_tables(
    tables: Sequence[Table], read: Sequence[str], kept: Sequence[str] = ()
) -> tuple[list[Table], np.ndarray]:
    """(the tables without personal data, (rows, kinds) how many findings of `KINDS` there are in the `read` columns).

    The columns in `kept` are as they were.

    Raises InputError if presidio is not installed.
    """
    recognizers()
    found, counts = [], [np.zeros((0, len(KINDS)), np.int32)]
    for table in tables:
        columns, of_table = {}, np.zeros((table.num_rows, len(KINDS)), np.int32)
        for name, cells in table.columns.items():
            if name in kept or not may_hold_texts(cells):
                columns[name] = cells
            elif name in read:
                columns[name], of_column = redacted_column(cells)
                of_table += of_column
            else:
                columns[name] = RedactedColumn(cells)
        found.append(replace(table, columns=columns))
        counts.append(of_table)
    return found, np.concatenate(counts)


def may_hold_texts(cells: Sequence) -> bool:
    """Whether a cell can be a text or hold one; numbers and dates in Arrow cannot."""
    if not isinstance(cells, ArrowColumn) or isinstance(cells, CodedColumn) or cells.is_nested:
        return True
    kind = cells.cells.type
    return str(kind.value_type if pa.types.is_dictionary(kind) else kind) in ("string", "large_string", "string_view")


def redacted_column(cells: Sequence) -> tuple[Sequence, np.ndarray]:
    """(the column in memory with its texts redacted, (rows, kinds) findings); other cells stay as they are."""
    shown, counts = [], np.zeros((len(cells), len(KINDS)), np.int32)
    # A large column takes minutes.
    for start in tqdm(range(0, len(cells), CHUNK), desc="Redacting", disable=len(cells) < MANY):
        for row, cell in enumerate(cells[start : start + CHUNK], start):
            text, found = redacted(cell) if isinstance(cell, str) else (without_personal_data(cell), {})
            shown.append(text)
            if found:
                counts[row] = [found.get(kind, 0) for kind in KINDS]
    if isinstance(cells, ArrowColumn) and not isinstance(cells, CodedColumn) and not cells.is_nested:
        return ArrowColumn(pa.chunked_array([pa.array(shown, pa.large_string())])), counts
    return shown, counts


def counted(findings: np.ndarray) -> dict[str, int]:
    """{kind: its number} of (rows, kinds) findings, without kinds of which there is none."""
    totals = dict(zip(KINDS, findings.sum(0).tolist(), strict=True))
    return {kind: count for kind, count in totals.items() if count}

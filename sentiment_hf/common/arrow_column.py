"""`ArrowColumn`: a column in Arrow that is read like a list."""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa


class ArrowColumn(Sequence):
    """A column in Arrow. A cell becomes a Python object when it is indexed; a slice is a list of them."""

    def __init__(self, cells: pa.ChunkedArray):
        self.cells = cells

    def __len__(self) -> int:
        return len(self.cells)

    def __getitem__(self, index: int | slice) -> Any:
        return self.cells[index].to_pylist() if isinstance(index, slice) else self.cells[index].as_py()

    @property
    def is_nested(self) -> bool:
        """Whether a cell is a list or a structure."""
        return pa.types.is_nested(self.cells.type)

    def distinct(self) -> tuple[list, np.ndarray]:
        """(different cells in the order of their first rows, (rows,) the place there of the cell of each row)."""
        encoded = self.cells.combine_chunks().dictionary_encode(null_encoding="encode")
        return encoded.dictionary.to_pylist(), encoded.indices.to_numpy()

    def __iter__(self) -> Iterator[Any]:
        return iter(self[:])


# The type of cells that are written as JSON.
CODED = pa.large_binary()


class CodedColumn(ArrowColumn):
    """A column of JSON: its cells have several types, or one that Arrow lacks. Missing is null of Arrow or of JSON."""

    def __getitem__(self, index: int | slice) -> Any:
        cells = super().__getitem__(index)
        return [decoded(cell) for cell in cells] if isinstance(index, slice) else decoded(cells)

    @property
    def is_nested(self) -> bool:
        """Never for `distinct`, which compares the JSON."""
        return False

    def distinct(self) -> tuple[list, np.ndarray]:
        """As of any column; True, 1 and "1" are three different cells."""
        cells, codes = super().distinct()
        return [decoded(cell) for cell in cells], codes


def coded(cells: Sequence) -> pa.Array:
    """The cells as JSON."""
    return pa.array([json.dumps(cell).encode() for cell in cells], CODED)


def as_coded(array: pa.Array) -> pa.Array:
    """An array of any type as one of JSON."""
    return array if array.type == CODED else coded(array.to_pylist())


def decoded(cell: bytes | None) -> Any:
    """The value of a cell of JSON."""
    return None if cell is None else json.loads(cell)

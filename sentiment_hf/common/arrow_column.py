"""`ArrowColumn`: a column in Arrow that is read like a list."""

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

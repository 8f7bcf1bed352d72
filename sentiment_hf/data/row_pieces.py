"""Rows that are read piece by piece and kept in Arrow: in memory, or for large files mapped from the cache."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa

from sentiment_hf import __version__
from sentiment_hf.common.arrow_column import CODED, ArrowColumn, CodedColumn, as_coded, coded
from sentiment_hf.common.cache import Cache
from sentiment_hf.common.files import content_hash, write_json
from sentiment_hf.data.unpacking import LARGE

FACTS = "facts.json"

# The first column of a piece; its name may be that of a column of the file too.
NUMBERS = "number"

NATIVE = {str: pa.large_string(), bool: pa.bool_(), int: pa.int64(), float: pa.float64()}


@dataclass(frozen=True)
class RowPiece:
    """Some rows: the number of each row or of its line in the file, and the cells by name of the column."""

    numbers: Sequence[int]
    columns: Mapping[str, Sequence]


class Reader(Protocol):
    """Reads a file piece by piece. `facts` is known after the last piece, and can be written as JSON."""

    facts: dict[str, Any]

    def pieces(self) -> Iterator[RowPiece]:
        """Yield the rows; raises InputError."""


@dataclass(frozen=True)
class KeptRows:
    """The rows of a file: numbers (rows,), columns in the order in which they first occur, and facts of the reader."""

    numbers: pa.ChunkedArray
    columns: dict[str, Sequence]
    facts: dict[str, Any]

    @classmethod
    def of(cls, batches: Sequence[pa.RecordBatch], facts: dict[str, Any]) -> "KeptRows":
        """The rows of pieces, one behind the other."""
        names = dict.fromkeys(name for batch in batches for name in batch.schema.names[1:])
        numbers = pa.chunked_array([batch.column(0) for batch in batches], pa.int64())
        return cls(numbers, {name: column_of(batches, name) for name in names}, facts)


def keep_rows(path: Path, key: str, reader: Callable[[], Reader], cache: Cache) -> KeptRows:
    """The rows that `reader` finds in the file at `path`. Those of a large file are read once and stay in the `cache`.

    key: all that the rows depend on beside the content of the file.

    Raises:
        InputError: as the reader.
    """
    if path.stat().st_size >= LARGE and cache.home:
        name = f"rows-{__version__}-{key}-{content_hash(path)}"
        folder = cache.folder(name, lambda home: write_rows(reader(), home), path.stat().st_size)
        if folder:
            files = sorted(folder.glob("*.arrow"))
            batches = [batch for file in files for batch in mapped_batches(file)]
            return KeptRows.of(batches, json.loads((folder / FACTS).read_text()))
    found = reader()
    return KeptRows.of([batch_of(piece) for piece in found.pieces()], found.facts)


def write_rows(reader: Reader, folder: Path) -> None:
    """Write the rows, a file for each piece, and the facts."""
    for number, piece in enumerate(reader.pieces()):
        batch = batch_of(piece)
        with pa.ipc.new_file(str(folder / f"{number:06d}.arrow"), batch.schema) as file:
            file.write_batch(batch)
    write_json(folder / FACTS, reader.facts)


def mapped_batches(file: Path) -> list[pa.RecordBatch]:
    """The batches of an Arrow file, whose content stays on the disk."""
    reader = pa.ipc.open_file(pa.memory_map(str(file)))
    return [reader.get_batch(index) for index in range(reader.num_record_batches)]


def batch_of(piece: RowPiece) -> pa.RecordBatch:
    """The piece in Arrow."""
    arrays = [pa.array(piece.numbers, pa.int64()), *map(array_of, piece.columns.values())]
    return pa.record_batch(arrays, names=[NUMBERS, *piece.columns])


def array_of(cells: Sequence) -> pa.Array:
    """The cells in the type of Arrow for theirs; as JSON if they have several types, or one that Arrow lacks."""
    types = {type(cell) for cell in cells} - {type(None)}
    if not types:
        return pa.nulls(len(cells))
    if len(types) == 1 and types <= NATIVE.keys():
        # A string can have a lone surrogate, and an integer more than 64 bits.
        with suppress(UnicodeEncodeError, OverflowError):
            return pa.array(cells, NATIVE[types.pop()])
    return coded(cells)


def column_of(batches: Sequence[pa.RecordBatch], name: str) -> ArrowColumn:
    """A column of all pieces; a cell is None in the rows of a piece that lacks it."""
    found = [batch.schema.get_all_field_indices(name) for batch in batches]
    # The numbers come first, and may have the same name.
    chunks = [
        batch.column(places[-1]) if places and places[-1] else pa.nulls(len(batch))
        for batch, places in zip(batches, found, strict=True)
    ]
    types = {chunk.type for chunk in chunks} - {pa.null()}
    if len(types) > 1:
        return CodedColumn(pa.chunked_array([as_coded(chunk) for chunk in chunks], CODED))
    kind = types.pop() if types else pa.null()
    column = CodedColumn if kind == CODED else ArrowColumn
    return column(pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind))

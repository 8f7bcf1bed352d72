"""What files may hold: a few kilobytes of parquet can unpack to more than the memory, and a link can lead anywhere."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from sentiment_hf.errors import InputError

# Rows that are unpacked at a time, to be counted.
ROWS = 64


def require_size(paths: Iterable[Path], limit: int) -> None:
    """Raises InputError where the files together hold more than `limit` bytes; nothing of them is kept in memory."""
    left = limit
    for path in paths:
        left -= unpacked_size(path, left) if path.suffix.lower() == ".parquet" else path.stat().st_size
        if left < 0:
            raise InputError(
                f"{path}: with it the data take more than {limit:,} bytes once unpacked; raise --max_data_bytes if "
                "they are meant to"
            )


def unpacked_size(path: Path, limit: int) -> int:
    """Bytes of all columns of a parquet file, counted until they exceed the limit; 0 for what cannot be read."""
    size = 0
    try:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS):
                size += sum(column_size(column) for column in batch.columns)
                if size > limit:
                    break
    except (pa.ArrowException, OSError):
        # Said with its reason where it is read for its rows.
        return 0
    return size


def column_size(column: pa.Array) -> int:
    """Bytes of its values; categories with each in its row, as texts are read."""
    return (column.dictionary_decode() if pa.types.is_dictionary(column.type) else column).nbytes


def require_inside(paths: Iterable[Path], folder: Path) -> None:
    """Raises InputError where one of them is a link that leads out of the folder."""
    home = folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(home):
            raise InputError(f"{path} is a link to {path.resolve()}, outside of {folder}; put a copy in its place")

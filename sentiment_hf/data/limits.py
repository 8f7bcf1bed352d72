"""What files may hold: a few kilobytes of parquet can unpack to more than the memory."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.unpacking import (
    TooLargeError,
    arrow_batches,
    column_size,
    is_parquet,
    parquet_batches,
    unpacked_copy,
)

# What unpacks to no more than this many times its size is no bomb. Texts become 2 to 10 times larger.
HONEST = 50


def require_size(paths: Sequence[Path], limit: int, cache: Cache) -> None:
    """Raise InputError if the files unpack to more than `limit` bytes, and to more than `HONEST` times their size.

    No content is kept in memory. Large files are unpacked into the `cache` on this occasion.
    """
    left = max(limit, HONEST * sum(path.stat().st_size for path in paths if path.is_file()))
    for path in paths:
        left -= unpacked_size(path, left, cache)
        if left < 0:
            raise InputError(
                f"{path}: with it the data take more than {limit:,} bytes once unpacked, and {HONEST} times "
                "their size; raise --max_data_bytes if they are meant to"
            )


def unpacked_size(path: Path, limit: int, cache: Cache) -> int:
    """Unpacked bytes of a parquet or arrow file, counted until they exceed `limit`; the size of any other file.

    0 for a file that cannot be read.
    """
    size = 0
    try:
        if copy := unpacked_copy(path, cache, limit):
            return copy.stat().st_size
        parquet = is_parquet(path)
        if not parquet and path.suffix.lower() != ".arrow":
            return path.stat().st_size
        for batch in parquet_batches(path) if parquet else arrow_batches(path):
            size += sum(column_size(column) for column in batch.columns)
            if size > limit:
                break
    except (MemoryError, TooLargeError):
        return limit + 1
    except (pa.ArrowException, OSError, UnicodeEncodeError):
        # The reader of its rows raises an error with the reason.
        return 0
    return size

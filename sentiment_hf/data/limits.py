"""What files may hold: a few kilobytes of parquet can unpack to more than the memory."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentiment_hf.common.errors import InputError

# Rows that are unpacked at a time while bytes are counted; fewer where lists and structures are unpacked, too.
BATCH_ROWS, NESTED_ROWS = 8192, 64
# What unpacks to no more than this many times its size is no bomb. Texts become 2 to 10 times larger.
HONEST = 50

TEXT_TYPES = ("string", "large_string", "binary", "large_binary")


def require_size(paths: Sequence[Path], limit: int) -> None:
    """Raise InputError if the files unpack to more than `limit` bytes, and to more than `HONEST` times their size.

    No content is kept in memory.
    """
    left = max(limit, HONEST * sum(path.stat().st_size for path in paths if path.is_file()))
    for path in paths:
        left -= unpacked_size(path, left)
        if left < 0:
            raise InputError(
                f"{path}: with it the data take more than {limit:,} bytes once unpacked, and {HONEST} times "
                "their size; raise --max_data_bytes if they are meant to"
            )


def unpacked_size(path: Path, limit: int) -> int:
    """Unpacked bytes of a parquet or arrow file, counted until they exceed `limit`; the size of any other file.

    0 for a file that cannot be read.
    """
    size = 0
    try:
        with path.open("rb") as file:
            begin = file.read(4)
        if begin != b"PAR1" and path.suffix.lower() != ".arrow":
            return path.stat().st_size
        for batch in parquet_batches(path) if begin == b"PAR1" else arrow_batches(path):
            size += sum(column_size(column) for column in batch.columns)
            if size > limit:
                break
    except MemoryError:
        return limit + 1
    except (pa.ArrowException, OSError, UnicodeEncodeError):
        # The reader of its rows raises an error with the reason.
        return 0
    return size


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches of a parquet file; columns are read as dictionaries, so that a text of many rows is unpacked once."""
    # A file opened by Python may have a name that is not UTF-8.
    with path.open("rb") as opened:
        schema = pq.read_schema(opened)
        flat = [field.name for field in schema if not pa.types.is_nested(field.type)]
        rows = BATCH_ROWS if len(flat) == len(schema) else NESTED_ROWS
        yield from pq.ParquetFile(opened, read_dictionary=flat).iter_batches(rows)


def arrow_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches of an arrow file in either format that `datasets` reads, stream or file; both may be compressed."""
    with pa.memory_map(str(path)) as source:
        try:
            yield from pa.ipc.open_stream(source)
        except pa.ArrowInvalid:
            reader = pa.ipc.open_file(source)
            yield from (reader.get_batch(index) for index in range(reader.num_record_batches))


def column_size(column: pa.Array) -> int:
    """Bytes of the values; a text that stands once in a dictionary counts for each of its rows."""
    if not pa.types.is_dictionary(column.type):
        return column.nbytes
    if str(column.type.value_type) not in TEXT_TYPES:
        return column.dictionary_decode().nbytes
    return pc.sum(pc.binary_length(column.dictionary).take(column.indices)).as_py() or 0

"""Unpacks parquet and arrow files batch by batch, and counts what the values take."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.files import content_hash

# From this size in bytes on, a file is unpacked to the disk and not into memory.
LARGE = 2**25
TABLE = "table.arrow"

# Rows that are unpacked at a time; fewer where lists and structures are, too.
BATCH_ROWS, NESTED_ROWS = 8192, 64

TEXT_TYPES = ("string", "large_string", "binary", "large_binary")


class TooLargeError(Exception):
    """A file unpacks to more bytes than it may."""


def unpacked_copy(path: Path, cache: Cache, most_bytes: int | None = None) -> Path | None:
    """The arrow file in the cache with the content of a large parquet file; None without a cache or for another file.

    Raises:
        TooLargeError: the file was not unpacked yet, and takes more than `most_bytes`.
    """
    if cache.home is None or path.stat().st_size < LARGE or not is_parquet(path):
        return None
    folder = cache.folder(
        f"table-{content_hash(path)}", lambda home: unpack(path, home / TABLE, most_bytes), path.stat().st_size
    )
    return folder and folder / TABLE


def is_parquet(path: Path) -> bool:
    """Whether the file begins as parquet does."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def unpack(path: Path, into: Path, most_bytes: int | None) -> None:
    """Write the content of a parquet file as an arrow file.

    Raises TooLargeError if it takes more than `most_bytes`.
    """
    size = 0
    with path.open("rb") as opened:
        schema = pq.read_schema(opened)
    with pa.ipc.new_file(str(into), schema) as file:
        for batch in parquet_batches(path):
            size += sum(column_size(column) for column in batch.columns)
            if most_bytes is not None and size > most_bytes:
                raise TooLargeError
            columns = [column.cast(field.type) for column, field in zip(batch.columns, schema, strict=True)]
            file.write_batch(pa.record_batch(columns, schema=schema))


def parquet_batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Batches of a parquet file; columns are read as dictionaries, so that a text of many rows is unpacked once."""
    # A file opened by Python may have a name that is not UTF-8.
    with path.open("rb") as opened:
        schema = pq.read_schema(opened)
        flat = [field.name for field in schema if not pa.types.is_nested(field.type)]
        rows = BATCH_ROWS if len(flat) == len(schema) else NESTED_ROWS
        # Reading ahead would bring all row groups into memory: 624 MiB at three million short texts instead of 170.
        yield from pq.ParquetFile(opened, read_dictionary=flat, pre_buffer=False).iter_batches(rows)


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

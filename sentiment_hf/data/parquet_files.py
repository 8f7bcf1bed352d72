"""Tables of parquet and arrow files and of data sets of the library."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Features, LargeList, List

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.file_kinds import refuse_other_kind
from sentiment_hf.data.table import NoRowsError, Table, unique_names
from sentiment_hf.data.unpacking import arrow_batches, is_parquet, unpacked_copy


def read_parquet_table(path: Path, cache: Cache) -> Table:
    """The table in a parquet file; ClassLabel columns of the schema keep their class names.

    A large file is unpacked into the `cache` once, and mapped into memory from there.

    Raises InputError.
    """
    try:
        copy = unpacked_copy(path, cache)
        table = unpacked(path) if copy is None else pa.ipc.open_file(pa.memory_map(str(copy))).read_all()
        features = Features.from_arrow_schema(table.schema)
    # Damaged bytes and foreign schemas raise errors of many unrelated classes.
    except Exception as error:
        if not is_parquet(path):
            refuse_other_kind(path, path.read_bytes())
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a whole parquet file, or one that is no table ({reason}).") from error
    return arrow_table(table, features, str(path))


def unpacked(path: Path) -> pa.Table:
    """The content of a parquet file, in memory."""
    # A file opened by Python may have a name that is not UTF-8.
    with path.open("rb") as opened:
        return pq.ParquetFile(opened).read()


def read_arrow_table(path: Path) -> Table:
    """The table in an arrow file of either format; raises InputError."""
    try:
        table = pa.Table.from_batches(arrow_batches(path))
        return arrow_table(table, Features.from_arrow_schema(table.schema), str(path))
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: not a whole arrow file ({' '.join(str(error).split())}).") from error


def arrow_table(table: pa.Table, features: Features, source: str) -> Table:
    """The rows of a table of Arrow, whose columns are read when they are indexed.

    Raises InputError if it is empty or damaged.
    """
    if not len(table):
        raise NoRowsError(f"{source} has no rows.")
    try:
        # A full validation finds texts that are not UTF-8 and offsets that lead outside of the data.
        table.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{source} is damaged ({error}).") from error
    kinds = {name: kind.feature if isinstance(kind, List | LargeList) else kind for name, kind in features.items()}
    classes = {name: kind.names for name, kind in kinds.items() if isinstance(kind, ClassLabel)}
    names, doubled = unique_names(table.column_names)
    columns = dict(zip(names, map(ArrowColumn, table.columns), strict=True))
    return Table(source, columns, lambda index: f"{source}, row {index + 1}", classes, doubled)

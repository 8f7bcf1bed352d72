"""Tables of parquet and arrow files and of data sets of the library."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.file_kinds import refuse_other_kind
from sentiment_hf.common.files import size_and_hash
from sentiment_hf.data.limits import BATCH_ROWS, arrow_batches
from sentiment_hf.data.row_pieces import LARGE
from sentiment_hf.data.table import NoRowsError, Table

TABLE = "table.arrow"


def read_parquet_table(path: Path, cache: Cache) -> Table:
    """The table in a parquet file; ClassLabel columns of the schema keep their class names.

    A large file is unpacked into the `cache` once, and mapped into memory from there.

    Raises InputError.
    """
    try:
        dataset = Dataset(mapped(path, cache) if path.stat().st_size >= LARGE else unpacked(path))
    # Damaged bytes and foreign schemas raise errors of many unrelated classes.
    except Exception as error:
        with path.open("rb") as file:
            begin = file.read(4)
        if begin != b"PAR1":
            refuse_other_kind(path, path.read_bytes())
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a whole parquet file, or one that is no table ({reason}).") from error
    return dataset_table(dataset, str(path))


def unpacked(path: Path) -> pa.Table:
    """The content of a parquet file, in memory."""
    # A file opened by Python may have a name that is not UTF-8.
    with path.open("rb") as opened:
        return pq.ParquetFile(opened).read()


def mapped(path: Path, cache: Cache) -> pa.Table:
    """The content of a parquet file, mapped from an arrow file in the cache; in memory if there is no cache."""
    folder = cache.folder("table-" + size_and_hash(path)["sha256"], lambda home: unpack(path, home / TABLE))
    if folder is None:
        return unpacked(path)
    return pa.ipc.open_file(pa.memory_map(str(folder / TABLE))).read_all()


def unpack(path: Path, into: Path) -> None:
    """Write the content of a parquet file as an arrow file, some rows at a time."""
    with path.open("rb") as opened:
        parquet = pq.ParquetFile(opened)
        with pa.ipc.new_file(str(into), parquet.schema_arrow) as file:
            for batch in parquet.iter_batches(BATCH_ROWS):
                file.write_batch(batch)


def read_arrow_table(path: Path) -> Table:
    """The table in an arrow file of either format; raises InputError."""
    try:
        return dataset_table(Dataset(pa.Table.from_batches(arrow_batches(path))), str(path))
    except (pa.ArrowException, ValueError) as error:
        raise InputError(f"{path}: not a whole arrow file ({' '.join(str(error).split())}).") from error


def dataset_table(dataset: Dataset, source: str) -> Table:
    """The table of a dataset; a column is read when it is indexed. Raises InputError if it is empty or damaged."""
    if not len(dataset):
        raise NoRowsError(f"{source} has no rows.")
    try:
        # A full validation finds texts that are not UTF-8 and offsets that lead outside of the data.
        dataset.data.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{source} is damaged ({error}).") from error
    classes = {name: kind.names for name, kind in dataset.features.items() if isinstance(kind, ClassLabel)}
    columns = {name: ArrowColumn(dataset.data.column(name)) for name in dataset.column_names}
    return Table(source, columns, lambda index: f"{source}, row {index + 1}", classes)

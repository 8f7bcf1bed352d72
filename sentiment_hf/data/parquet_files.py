"""Tables of parquet and arrow files and of data sets of the library."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.file_kinds import refuse_other_kind
from sentiment_hf.data.limits import arrow_batches
from sentiment_hf.data.table import NoRowsError, Table


def read_parquet_table(path: Path) -> Table:
    """The table in a parquet file; ClassLabel columns of the schema keep their class names. Raises InputError."""
    try:
        # A file opened by Python may have a name that is not UTF-8.
        with path.open("rb") as opened:
            dataset = Dataset(pq.ParquetFile(opened).read())
    # Damaged bytes and foreign schemas raise errors of many unrelated classes.
    except Exception as error:
        if not (data := path.read_bytes()).startswith(b"PAR1"):
            refuse_other_kind(path, data)
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not a whole parquet file, or one that is no table ({reason}).") from error
    return dataset_table(dataset, str(path))


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

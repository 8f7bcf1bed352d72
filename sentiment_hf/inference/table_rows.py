"""What a model reads of the rows of a table: their texts, and the columns beside the text that it was trained with."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.common.extra_columns import ColumnSchema, Rows
from sentiment_hf.data.extra_columns import prefixes, read_values
from sentiment_hf.data.table import Table
from sentiment_hf.settings.reading import Reading


def rows_of(
    table: Table, texts: pa.ChunkedArray, reading: Reading | None, columns: ColumnSchema | None
) -> Sequence[str] | Rows:
    """The rows as a model reads them. A slice of them is what its scorer takes.

    texts: (rows,), without the columns in front of them.
    columns: those that the model reads beside the text.

    Raises:
        InputError: the table lacks a column that the model was trained with, or a cell cannot be read.
    """
    names = reading.extra_column_names if reading else ()
    names = [*dict.fromkeys([*names, *(columns.names if columns else ())])]
    if missing := [name for name in names if name not in table.columns]:
        raise InputError(
            f"{table.source}: the model was trained with the columns {', '.join(names)}, and there is no column "
            f"{missing[0]!r}{did_you_mean(missing[0], table.columns)}; name it so, or add an empty column to count it "
            "as missing"
        )
    if columns:
        return Rows(ArrowColumn(texts), read_values([table], columns))
    if names:
        kind = pa.large_string()
        before = pa.chunked_array([prefixes(table, names)])
        return ArrowColumn(pc.binary_join_element_wise(before, texts.cast(kind), pa.scalar("", kind)))
    return ArrowColumn(texts)

"""`LabelledTexts`: the rows of a part, train, validation or test."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from sentiment_hf.common.extra_columns import ColumnValues, Rows
from sentiment_hf.common.profile import station

# Texts that become Python objects at a time.
CHUNK = 1000


@dataclass(frozen=True)
class LabelledTexts:
    """Texts with their labels. Parts that are rows of one table share its column of texts.

    column: (rows of the table,) string or large_string, in memory or in a mapped file.
    rows: (rows,) int64, ascending: which rows of the table the part has.
    labels: (rows,) or (rows, labels), as the task reads them.
    digests: (rows,) uint64, equal for equal texts.
    prefix: (rows of the table,) large_string that stands before each text as a model reads it; None for nothing.
    extra: the columns beside the text; None without any.
    """

    column: pa.ChunkedArray
    rows: np.ndarray
    labels: np.ndarray
    digests: np.ndarray
    prefix: pa.ChunkedArray | None = None
    extra: ColumnValues | None = None

    @classmethod
    def of(cls, texts: pa.ChunkedArray | Sequence[str], labels: Sequence) -> Self:
        """All rows of a table."""
        if not isinstance(texts, pa.ChunkedArray):
            texts = pa.chunked_array([pa.array(texts, pa.large_string())])
        part = cls(texts, np.arange(len(texts)), np.asarray(labels), np.empty(len(texts), np.uint64))
        return replace(part, digests=digests_of(part))

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of several parts, one part behind the other."""
        before = np.cumsum([0, *(len(part.column) for part in parts)])
        return cls(
            joined_columns([part.column for part in parts]),
            np.concatenate([part.rows + start for part, start in zip(parts, before, strict=False)]),
            np.concatenate([part.labels for part in parts]),
            np.concatenate([part.digests for part in parts]),
            joined_columns([part.prefix for part in parts]) if parts[0].prefix else None,
            ColumnValues.joined([part.extra for part in parts]) if parts[0].extra else None,
        )

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, place: int) -> str:
        """The text at a place of the part."""
        row = int(self.rows[place])
        return (self.prefix[row].as_py() if self.prefix else "") + self.column[row].as_py()

    def __iter__(self) -> Iterator[str]:
        """The texts."""
        for batch in self.batches():
            yield from batch.to_pylist()

    @property
    def texts(self) -> list[str]:
        """All texts; the property makes them anew each time."""
        return list(self)

    @property
    def inputs(self) -> list[str] | Rows:
        """What a model reads: all texts, with the columns beside them if there are any."""
        return Rows(self.texts, self.extra) if self.extra else self.texts

    @property
    def characters(self) -> np.ndarray:
        """(rows,) int64 lengths of the texts."""
        lengths = [pc.utf8_length(batch).to_numpy() for batch in self.batches()]
        return np.concatenate([np.empty(0, np.int64), *lengths])

    def has_rows_of(self, other: Self) -> bool:
        """Whether the other part has the same texts with the same labels, in the same order."""
        return np.array_equal(self.digests, other.digests) and np.array_equal(self.labels, other.labels)

    @property
    def texts_hash(self) -> str:
        """SHA-256 over the digests of the texts, in their order, and over what stands before them."""
        digest = hashlib.sha256(self.digests.tobytes())
        if self.prefix:
            for batch in self.batches_of(self.prefix):
                digest.update("\0".join(batch.to_pylist()).encode())
        return digest.hexdigest()

    def batches(self) -> Iterator[pa.ChunkedArray]:
        """The texts as a model reads them, large_string, some at a time."""
        if self.prefix is None:
            yield from self.bare_batches()
            return
        nothing = pa.scalar("", pa.large_string())
        for before, text in zip(self.batches_of(self.prefix), self.bare_batches(), strict=True):
            yield pc.binary_join_element_wise(before, text, nothing)

    def bare_batches(self) -> Iterator[pa.ChunkedArray]:
        """The texts as they are in the data, large_string, some at a time."""
        return self.batches_of(self.column)

    def batches_of(self, column: pa.ChunkedArray) -> Iterator[pa.ChunkedArray]:
        """The rows of the part in a column of the table, as large_string, some at a time."""
        for start in range(0, len(self), CHUNK):
            rows = self.rows[start : start + CHUNK]
            # A slice is free of charge, and `take` of a whole column is not if the column is in many pieces.
            batch = column.slice(rows[0], rows[-1] + 1 - rows[0]).take(pa.array(rows - rows[0]))
            yield batch.cast(pa.large_string())

    def with_prefix(self, prefix: pa.ChunkedArray) -> Self:
        """The same rows with a text before each; it does not count for `digests`."""
        return replace(self, prefix=prefix)

    def with_extra(self, extra: ColumnValues) -> Self:
        """The same rows with columns beside the texts."""
        return replace(self, extra=extra)

    def select(self, places: np.ndarray) -> Self:
        """The rows of the part at these ascending places, or where these truth values are true."""
        chosen = {name: getattr(self, name)[places] for name in ("rows", "labels", "digests")}
        chosen |= {"extra": self.extra[places]} if self.extra else {}
        return replace(self, **chosen)


def joined_columns(columns: Sequence[pa.ChunkedArray]) -> pa.ChunkedArray:
    """Columns of texts one behind the other. They stay where they are, in mapped files perhaps, if of one type."""
    kinds = {column.type for column in columns}
    kind = kinds.pop() if len(kinds) == 1 else pa.large_string()
    return pa.chunked_array([chunk.cast(kind) for column in columns for chunk in column.chunks], kind)


@station("hashing")
def digests_of(part: LabelledTexts) -> np.ndarray:
    """(rows,) SipHash of each text. Of five million texts, two share one with a chance of 1 to 1.5 million."""
    found = [pd.util.hash_array(np.array(batch.to_pylist(), object), categorize=False) for batch in part.batches()]
    return np.concatenate([np.empty(0, np.uint64), *found])


def labels_as_text(labels: np.ndarray) -> pa.Array:
    """(rows,) large_string: each class id or number; of (rows, labels) truth values a 0 or 1 for each."""
    if labels.ndim == 1:
        return pa.array(labels).cast(pa.large_string())
    digits = (labels.astype(np.uint8) + ord("0")).view(f"S{labels.shape[1]}").ravel()
    return pa.array(digits.astype(str), pa.large_string())


def framed(part: LabelledTexts) -> Iterator[memoryview]:
    """The bytes "LABEL, 0, TEXT, 1" of all rows, some rows at a time."""
    zero, one, empty = (pa.scalar(text, pa.large_string()) for text in ("\0", "\1", ""))
    for start, batch in zip(range(0, len(part), CHUNK), part.batches(), strict=True):
        labels = labels_as_text(part.labels[start : start + CHUNK])
        pairs = pc.binary_join_element_wise(labels, batch.combine_chunks(), zero)
        rows = pc.binary_join_element_wise(pairs, empty, one)
        yield memoryview(rows.buffers()[2])[: pc.sum(pc.binary_length(rows)).as_py()]

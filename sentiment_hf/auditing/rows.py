"""All rows of the parts of a data set, one part behind the other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np

from sentiment_hf.data.splits import PARTS, Splits


@dataclass(frozen=True)
class AuditedRows:
    """The rows of train, validation and test.

    parts: (rows,) the name of the part of each row.
    numbers: (rows,) the number of the row in the data that its part is from, from 0.
    texts: (rows,) as they are in the data. labels: (rows,) as text. digests: (rows,) equal for equal texts.
    places: {part: number of a row -> its file and line, as errors name it}.
    """

    parts: np.ndarray
    numbers: np.ndarray
    texts: list[str]
    labels: np.ndarray
    digests: np.ndarray
    places: Mapping[str, Callable[[int], str]]

    @classmethod
    def of(cls, splits: Splits, places: Mapping[str, Callable[[int], str]]) -> Self:
        """The rows of `splits`."""
        parts = [getattr(splits, part) for part in PARTS]
        return cls(
            np.repeat(np.array(PARTS, object), [len(part) for part in parts]),
            np.concatenate([part.rows for part in parts]),
            [text for part in parts for batch in part.bare_batches() for text in batch.to_pylist()],
            np.array([label for part in parts for label in splits.task.as_text(part.labels)], object),
            np.concatenate([part.digests for part in parts]),
            places,
        )

    def __len__(self) -> int:
        return len(self.texts)

    def place(self, row: int) -> str:
        """The file and line of a row."""
        return self.places[self.parts[row]](int(self.numbers[row]))

    def counted(self, chosen: np.ndarray) -> dict[str, int]:
        """{part: number of the rows of it where (rows,) `chosen` is true}"""
        return {part: int((chosen & (self.parts == part)).sum()) for part in PARTS}

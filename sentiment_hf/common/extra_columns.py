"""Columns beside the text: which ones a model reads, and the cells of the rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np


@dataclass(frozen=True)
class ColumnSchema:
    """The columns that a model reads beside the text, as its config has them.

    numbers: {name: [mean, standard deviation in train]}.
    categories: {name: the values in train, sorted}. The code of a value is its place plus 1; 0 is any other.
    """

    numbers: Mapping[str, list[float]]
    categories: Mapping[str, list[str]]

    @classmethod
    def of_config(cls, config: Mapping[str, Any]) -> Self | None:
        """The columns in the config of a model; None if there are none."""
        schema = cls(config.get("number_columns") or {}, config.get("category_columns") or {})
        return schema if schema.names else None

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return [*self.numbers, *self.categories]

    @property
    def settings(self) -> dict[str, Any]:
        """The fields of a config."""
        return {"number_columns": dict(self.numbers), "category_columns": dict(self.categories)}


@dataclass(frozen=True)
class ColumnValues:
    """The cells of some rows.

    numbers: (rows, number columns) float32, NaN for a missing cell.
    categories: (rows, category columns) int32 codes, 0 for a missing or unknown cell.
    """

    numbers: np.ndarray
    categories: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The rows of several parts, one part behind the other."""
        return cls(
            np.concatenate([part.numbers for part in parts]), np.concatenate([part.categories for part in parts])
        )

    @property
    def inputs(self) -> dict[str, np.ndarray]:
        """The arguments of a model."""
        return {"column_numbers": self.numbers, "column_categories": self.categories}

    def __getitem__(self, rows: slice | np.ndarray) -> Self:
        """Some rows."""
        return replace(self, numbers=self.numbers[rows], categories=self.categories[rows])


@dataclass(frozen=True)
class Rows:
    """Texts with the columns beside them; a slice of them is the same of some rows."""

    texts: Sequence[str]
    columns: ColumnValues

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: slice) -> Self:
        return replace(self, texts=self.texts[rows], columns=self.columns[rows])


@dataclass(frozen=True)
class MemberRows:
    """The same rows as each member of an ensemble reads them; a slice of them is the same of some rows."""

    members: Sequence[Sequence[str] | Rows]

    def __len__(self) -> int:
        return len(self.members[0])

    def __getitem__(self, rows: slice) -> Self:
        return replace(self, members=[member[rows] for member in self.members])

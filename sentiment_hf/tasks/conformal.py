"""Split-conformal prediction: sets of classes, or intervals, that hold the label of so many texts like validation's.

The score of a label is what a model says against it: 1 minus the probability of a class (Sadinle et al. 2019), or the
distance of a number. A set holds what has no larger score than so many rows of validation, which the model was not
trained on (Vovk et al. 2005; Angelopoulos & Bates 2021, section 1).
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import CONFORMAL

# So many of the scores of validation are kept.
POINTS = 100

# What is lost when a share is multiplied by a number of rows.
ROUNDING = 1e-9


@dataclass(frozen=True)
class Scores:
    """The scores of the labels of `rows` rows: the i-th of `points` is the least that i % of them do not exceed."""

    rows: int
    points: tuple[float, ...]

    @classmethod
    def of(cls, scores: np.ndarray) -> Self:
        """Keep 100 of (rows,) scores."""
        if not len(scores):
            return cls(0, ())
        ranks = np.ceil(np.arange(1, POINTS + 1) * len(scores) / POINTS - ROUNDING).astype(int)
        return cls(len(scores), tuple(np.sort(scores)[ranks - 1].tolist()))

    def largest(self, level: float) -> float:
        """The largest score in a set that holds the label with probability `level`; infinite on too few rows.

        With n rows, that many of n + 1 rows have to be below: the text that is asked about is one of them.
        """
        rank = math.ceil((self.rows + 1) * level - ROUNDING)
        if rank > self.rows:
            return math.inf
        return self.points[math.ceil(rank * POINTS / self.rows - ROUNDING) - 1]


@dataclass(frozen=True)
class Conformal:
    """The scores of validation: of all rows, and of the rows of each label, {} for a task without classes."""

    of_all: Scores
    by_label: dict[str, Scores]

    def save(self, folder: Path) -> None:
        """Write conformal.json."""
        write_json(folder / CONFORMAL, asdict(self))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read conformal.json; raises InputError if it is damaged."""
        saved = read_json(file, "train the model again")
        try:
            by_label = {label: scores_in(content) for label, content in saved["by_label"].items()}
            return cls(scores_in(saved["of_all"]), by_label)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{file} is damaged: expected of_all and by_label with rows and points") from error

    def largest(self, labels: Sequence[str], level: float, per_class: bool) -> np.ndarray:
        """(labels,) the largest score with which a label is in a set.

        Raises InputError if validation has too few rows for this level, of which all texts would get all labels.
        """
        of_each = [self.by_label[label] for label in labels] if per_class else [self.of_all] * len(labels)
        found = np.array([scores.largest(level) for scores in of_each])
        if np.isinf(found).all():
            rows = max(scores.rows for scores in of_each)
            raise InputError(
                f"--abstain {level:g} wants at least {math.ceil(level / (1 - level) - ROUNDING):,} rows of "
                f"validation, and the model was validated on {rows:,}; give a lower level"
            )
        return found


def scores_in(content: dict[str, Any]) -> Scores:
    """The scores in a part of conformal.json; raises ValueError and others if it is damaged."""
    scores = Scores(int(content["rows"]), tuple(map(float, content["points"])))
    if len(scores.points) != (POINTS if scores.rows else 0):
        raise ValueError("another number of points")
    return scores

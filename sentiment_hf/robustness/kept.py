"""What was found of a model on changed texts: robustness.json in its folder."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import ROBUSTNESS

REMEDY = "remove it, and measure again by `sentiment-hf robustness FOLDER`"


@dataclass(frozen=True)
class Effect:
    """What a perturbation does to a model.

    changed: the number of texts that it changes at all; the others count as themselves.
    score: the ranking score of the task on the changed texts. change: by how much it is above that of the texts.
    interval: the 95 % interval of the change, paired, over samples of rows.
    p: of the paired test of the task, McNemar's of classes, that nothing changes.
    moved: the share of all rows whose answer changes; of a regression the mean absolute change of the number, in
        standard deviations of the numbers of train.
    """

    changed: int
    score: float
    change: float
    interval: tuple[float, float]
    p: float
    moved: float

    @classmethod
    def of_json(cls, saved: dict) -> Self:
        """The inverse of `asdict`."""
        return cls(**saved | {"interval": tuple(saved["interval"])})


@dataclass(frozen=True)
class Negations:
    """Of so many written pairs, a sentence and its negation: how many have each right, both, and another answer."""

    pairs: int
    right: int
    negated_right: int
    both_right: int
    flipped: int


@dataclass(frozen=True)
class Robustness:
    """What was found of a model.

    rows: the number of test rows. score_name: the key of the ranking score. score: that of the texts as they are.
    effects: by the key of a perturbation. left_out: {key of another one, or "negation": why it was left out}.
    """

    rows: int
    score_name: str
    score: float
    effects: dict[str, Effect]
    negations: Negations | None
    left_out: dict[str, str]

    @classmethod
    def of_json(cls, saved: dict) -> Self:
        """The inverse of `asdict`."""
        effects = {key: Effect.of_json(effect) for key, effect in saved["effects"].items()}
        negations = Negations(**saved["negations"]) if saved["negations"] else None
        return cls(**saved | {"effects": effects, "negations": negations})


def read_robustness(folder: Path) -> Robustness | None:
    """What was found of the model in a folder; None if nothing was measured. Raises InputError if it is damaged."""
    if not (file := folder / ROBUSTNESS).is_file():
        return None
    try:
        return Robustness.of_json(read_json(file, REMEDY))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is damaged ({error!r}); {REMEDY}") from error


def save_robustness(folder: Path, found: Robustness) -> None:
    """Write robustness.json, in place of what was found before."""
    write_json(folder / ROBUSTNESS, asdict(found))

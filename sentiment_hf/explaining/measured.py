"""How faithful the methods were found to be for a model: faithfulness.json in its folder."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import FAITHFULNESS

REMEDY = "remove it, and measure again by `sentiment-hf explain FOLDER --measure`"


@dataclass(frozen=True)
class Faithfulness:
    """How much the answers of a model go by the words that a method scores highest, beside words taken at random.

    texts: the number of test rows.
    comprehensiveness: how much the probability of the answer falls without these words, on average; larger is better.
    sufficiency: how much it falls if only these words are left; smaller is better.
    random_comprehensiveness, random_sufficiency: the same of random words.
    gain: comprehensiveness minus that of random words, plus sufficiency of random words minus that of these.
    gain_interval: its 95 % interval over samples of rows.
    unit: what they are measured in: "probability", or standard deviations of the numbers of train.
    refused: the number of further rows that the method does not explain.
    """

    texts: int
    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: float
    random_sufficiency: float
    gain: float
    gain_interval: tuple[float, float]
    unit: str = "probability"
    refused: int = 0

    @classmethod
    def of_json(cls, saved: dict) -> Self:
        """The inverse of `asdict`."""
        return cls(**saved | {"gain_interval": tuple(saved["gain_interval"])})

    @property
    def is_better_than_random(self) -> bool:
        """Whether the whole interval of the gain is above 0."""
        return self.gain_interval[0] > 0

    def __str__(self) -> str:
        low, high = self.gain_interval
        return (
            f"comprehensiveness {self.comprehensiveness:.3f} (random words {self.random_comprehensiveness:.3f}), "
            f"sufficiency {self.sufficiency:.3f} (random words {self.random_sufficiency:.3f}), gain {self.gain:.3f} "
            f"({low:.3f} to {high:.3f}) on {self.texts} test rows"
            + (f", and {self.refused} more that it does not explain" if self.refused else "")
        )


def read_measured(folder: Path | None) -> dict[str, Faithfulness]:
    """{method: what was found} of the model in a folder; {} if nothing was measured. Raises InputError if damaged."""
    if folder is None or not (file := folder / FAITHFULNESS).is_file():
        return {}
    saved = read_json(file, REMEDY)
    try:
        return {method: Faithfulness.of_json(found) for method, found in saved["methods"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{file} is damaged ({error!r}); {REMEDY}") from error


def save_measured(folder: Path, found: dict[str, Faithfulness]) -> None:
    """Write faithfulness.json; what was found of other methods before stays."""
    methods = {method: asdict(one) for method, one in (read_measured(folder) | found).items()}
    write_json(folder / FAITHFULNESS, {"methods": methods})


def offered(methods: list[str], measured: dict[str, Faithfulness]) -> list[str]:
    """Those of the methods that were not found to be no better than random words."""
    return [name for name in methods if name not in measured or measured[name].is_better_than_random]

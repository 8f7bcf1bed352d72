"""What a measurement is told: the data, a pretrained checkpoint, and how much work there is to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """dataset: a folder or a name, as --dataset of a run. minilm: folder of a pretrained encoder, None without one.
    quick: fewer rows and rounds. rows: how many the measurement `rows` makes. work: an empty folder for files.
    """

    dataset: str
    minilm: Path | None
    quick: bool
    rows: int
    work: Path

    def pick(self, full: T, quick: T) -> T:
        """`quick` with --quick, else `full`."""
        return quick if self.quick else full

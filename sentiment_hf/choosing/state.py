"""What a choice has done so far: choice.json in its folder, from which the same command goes on."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

from sentiment_hf.choosing.foresee import Foreseen
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json

CHOICE = "choice.json"

# What became of a model: trained; not trained, or not taken, for a reason; not trained for want of time; or it failed.
TRAINED, LEFT_OUT, NO_TIME, FAILED = "trained", "left out", "no time", "failed"


@dataclass(frozen=True)
class Decision:
    """What became of a model, and why. `numbers` are those on which the decision rests, and what it cost."""

    outcome: str
    reason: str
    numbers: dict[str, Any] = field(default_factory=dict)


@dataclass
class State:
    """What is saved after each step.

    asked: what makes another choice of it: the data and the named models.
    limits: --minutes, --max_ms, --max_mb of the last start. seconds: of all starts together.
    foreseen: {name: what its training would cost}. decisions: {name: what became of it}, in the order of the ladder.
    chosen, reasons, test: the model that was taken, why, and its scores on test; None before the end.
    """

    asked: dict[str, Any]
    limits: dict[str, Any]
    seconds: float = 0.0
    foreseen: dict[str, Foreseen] = field(default_factory=dict)
    decisions: dict[str, Decision] = field(default_factory=dict)
    chosen: str | None = None
    reasons: list[str] = field(default_factory=list)
    test: dict[str, Any] | None = None

    @classmethod
    def load(cls, folder: Path, asked: dict[str, Any], limits: dict[str, Any]) -> Self:
        """What the folder holds, or a new choice.

        Raises InputError: the file is damaged, or the folder holds another choice.
        """
        file, remedy = folder / CHOICE, "choose another --output_dir"
        if not file.is_file():
            return cls(asked, limits)
        saved = read_json(file, remedy)
        try:
            saved["foreseen"] = {name: Foreseen(**one) for name, one in saved["foreseen"].items()}
            saved["decisions"] = {name: Decision(**one) for name, one in saved["decisions"].items()}
            state = cls(**saved)
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"{file} is damaged ({error!r}); {remedy}") from error
        for name, value in asked.items():
            if state.asked.get(name) != value:
                raise InputError(
                    f"--output_dir {folder} holds another choice ({name}: {state.asked.get(name)!r} there, {value!r} "
                    f"here); {remedy}"
                )
        if state.limits != limits:
            # Whatever was left out is looked at again, and so is the end.
            state.limits, state.chosen = limits, None
        return state

    def save(self, folder: Path) -> None:
        """Write choice.json atomically."""
        write_json(folder / CHOICE, asdict(self))

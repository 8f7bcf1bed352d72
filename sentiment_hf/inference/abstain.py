"""`--abstain`: what a model says of a text with a given certainty, and of which texts it says nothing."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import CONFORMAL
from sentiment_hf.inference.scorer import Inputs, Scorer
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.conformal import Conformal


@dataclass(frozen=True)
class Abstention:
    """Makes sets of what a model says. `largest` are the (outputs,) scores up to which a label is in a set."""

    scorer: Scorer
    largest: np.ndarray

    @property
    def answers(self) -> dict[str, type]:
        """{column that it adds: its type}"""
        return self.scorer.task.set_answers

    def columns(self, texts: Inputs, probabilities: np.ndarray) -> dict[str, list]:
        """The columns that it adds to the rows of a table."""
        return self.scorer.task.set_columns(probabilities, self.largest)

    def objects(self, texts: Inputs, probabilities: np.ndarray) -> list[dict[str, Any]]:
        """For each text, what it adds to the answer of `sentiment_hf.predict`."""
        return self.scorer.task.set_objects(probabilities, self.largest)


def load_abstention(ref: ModelRef, scorer: Scorer, level: float, per_class: bool) -> Abstention:
    """What --abstain asks for of a loaded model.

    Raises InputError: the level is no share, the model has no scores of validation, or the task has no sets.
    """
    if not 0 < level < 1:
        raise InputError(f"--abstain {level:g}: expected a certainty between 0 and 1, as 0.95")
    task = scorer.task
    if not task.has_sets:
        raise InputError(f"--abstain: the model is for the task {task.name}, whose answers are sets already")
    if per_class and len(task.labels) < 2:
        raise InputError(f"--abstain_per_class: the model is for the task {task.name}, which has no classes")
    file = companion(ref, CONFORMAL)
    if file is None:
        raise InputError(
            f"--abstain: {ref.name} has no scores of validation ({CONFORMAL}), which a run writes that validates its "
            "model, since this version; train it again"
        )
    return Abstention(scorer, Conformal.load(file).largest(task.labels, level, per_class))


def companion(ref: ModelRef, name: str) -> Path | None:
    """A file beside a model, in its folder or on the Hub; None without one."""
    if ref.folder and ref.is_local:
        file = ref.folder / name
        return file if file.is_file() else None
    # Imported for the Hub only, because it imports torch.
    from sentiment_hf.models.checkpoint import companion_file

    return companion_file(ref, name)

"""What a run keeps for `--abstain`, and how well its sets do on test."""

import logging
from typing import TYPE_CHECKING, Any

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.conformal import POINTS, Conformal, Scores
from sentiment_hf.tasks.task import Predicted, Task

if TYPE_CHECKING:
    # It imports torch, which an ensemble of saved predictions can do without.
    from sentiment_hf.runs.score import Scored

logger = logging.getLogger(__name__)

LEVELS = (0.9, 0.95, 0.99)

# Points of the curve of risk against coverage.
CURVE = 20

# Standard errors by which coverage may miss its level by chance.
FAR = 3


def fitted_scores(task: Task, scored: "Scored") -> Conformal | None:
    """The scores of validation; None if it was not scored, or the task has no sets."""
    if not task.has_sets or "validation" not in scored:
        return None
    predicted = predicted_by(task, *scored["validation"])
    against, names = task.against(predicted), task.labels if len(task.labels) > 1 else ()
    by_label = {name: Scores.of(against[predicted.labels == number]) for number, name in enumerate(names)}
    return Conformal(Scores.of(against), by_label)


def abstention_entry(task: Task, conformal: Conformal | None, scored: "Scored") -> dict[str, Any] | None:
    """What the report has: rows of validation, of each level how the sets of test do, and risk against coverage."""
    if conformal is None or "test" not in scored:
        return None
    predicted = predicted_by(task, *scored["test"])
    entry = {"rows": conformal.of_all.rows, "levels": []}
    for level in LEVELS:
        try:
            largest = conformal.largest(task.labels, level, per_class=False)
        except InputError:
            # Validation has too few rows for it.
            continue
        entry["levels"].append({"level": level} | task.set_scores(predicted, largest))
        say_unlike(entry["levels"][-1], conformal.of_all.rows, len(predicted.labels))
    if sure := task.reliability(predicted):
        entry |= risk_by_coverage(*sure)
    return entry


def predicted_by(task: Task, logits: np.ndarray, labels: np.ndarray) -> Predicted:
    """What a model with these logits says."""
    probabilities = task.probabilities(logits)
    return Predicted(labels, task.decide(probabilities), probabilities)


def say_unlike(found: dict[str, float], validation: int, test: int) -> None:
    """Say so if the sets of test hold the label more or less often than chance explains."""
    level, coverage = found["level"], found["coverage"]
    spread = (level * (1 - level) * (1 / validation + 1 / test)) ** 0.5
    # The kept scores are rounded up, to the next of 100.
    if not level - FAR * spread <= coverage <= level + FAR * spread + 1 / POINTS:
        logger.warning(
            "sets of %s certainty hold the label of %.1f %% of test: test is not like validation, so sets do not keep "
            "their promise on such texts",
            f"{level:.0%}",
            100 * coverage,
        )


def risk_by_coverage(confidence: np.ndarray, right: np.ndarray) -> dict[str, Any]:
    """Of the rows of which a model is surest, a share (coverage) and how many of them are wrong (risk).

    `aurc` is the mean risk over all numbers of rows (Geifman, Uziel & El-Yaniv 2019).
    """
    wrong = 1 - right[np.argsort(-confidence, kind="stable")].astype(np.float64)
    risk = np.cumsum(wrong) / np.arange(1, len(wrong) + 1)
    shares = np.arange(1, CURVE + 1) / CURVE
    rows = np.maximum(np.ceil(shares * len(wrong)).astype(int), 1)
    points = zip(shares.tolist(), risk[rows - 1].tolist(), strict=True)
    curve = [{"coverage": share, "risk": value} for share, value in points]
    return {"risk_by_coverage": curve, "aurc": float(risk.mean())}

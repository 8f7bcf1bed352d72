"""Learns the weights of an ensemble on validation, and scores the ensemble on validation and test."""

from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from sentiment_hf.common.errors import InputError
from sentiment_hf.inference.ensemble import Ensemble
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.finished import Run
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.score import scores_of_parts, write_predictions
from sentiment_hf.tasks.task import Predicted, Task
from sentiment_hf.tasks.terms import SMALLEST


def learned_weights(members: list[Predicted], task: Task) -> np.ndarray:
    """(members,) weights that minimise the log-loss of the ensemble on the rows of `members`.

    The weights are not negative and have the sum 1. The ensemble is a linear opinion pool (Stone 1961), a weighted
    mean of probabilities; to choose its weights by the log-loss on held-out rows is stacking (Yao et al. 2018). The
    loss is convex in the weights, so the result does not depend on the start of the search. A member that was itself
    chosen or calibrated on validation scores too well there, and gets a weight that is somewhat too large.

    Raises:
        InputError: the search does not converge.
    """
    labels, count = members[0].labels, len(members)
    of_label = np.stack([task.likelihood(labels, one.probabilities) for one in members], axis=1).clip(SMALLEST)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = of_label @ weights
        return -np.log(pooled).mean(), -(of_label / pooled[:, None]).mean(axis=0)

    sum_is_one = {"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like}
    settings = {"method": "SLSQP", "bounds": [(0, 1)] * count, "options": {"ftol": 1e-12, "maxiter": 1000}}
    found = minimize(loss, np.full(count, 1 / count), jac=True, constraints=sum_is_one, **settings)
    if not found.success:
        raise InputError(f"no weights could be learned ({found.message}); combine by --method mean")
    return found.x.clip(0) / found.x.clip(0).sum()


def score_ensemble(ensemble: Ensemble, members: list[Run], folder: Path, report: Report) -> Report:
    """`report` with the scores of validation and test added; writes the predictions and, last, report.json."""
    parts = {part: [getattr(member, part) for member in members] for part in ("validation", "test")}
    scored = {part: combined_logits(ensemble, predicted) for part, predicted in parts.items()}
    write_predictions(folder, scored, ensemble.task)
    report = Report(**vars(report) | scores_of_parts(scored, ensemble.task) | environment())
    # The maximum over the members, because combining saved predictions needs few resources.
    for name in ("threads", "peak_memory_bytes", "peak_gpu_memory_bytes"):
        setattr(report, name, max(getattr(member.report, name) for member in members))
    report.save(folder)
    return report


def combined_logits(ensemble: Ensemble, members: list[Predicted]) -> tuple[np.ndarray, np.ndarray]:
    """(rows, outputs) logits of the ensemble and (rows,) labels."""
    probabilities, predictions = (
        np.stack([getattr(member, name) for member in members]) for name in ("probabilities", "predictions")
    )
    return ensemble.task.logits(ensemble.combine(probabilities, predictions), SMALLEST), members[0].labels

"""Learns the weights of an ensemble on validation, and scores the ensemble on validation and test."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from sentiment_hf.inference.ensemble import Ensemble
from sentiment_hf.runs.abstention import abstention_entry, fitted_scores
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.finished import Run
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.score import scores_of_parts, write_predictions
from sentiment_hf.tasks.task import Predicted, Task
from sentiment_hf.tasks.terms import SMALLEST

# Of the rows of validation, to score an ensemble on rows that did not choose its weights.
FOLDS = 5


def learned_weights(members: list[Predicted], task: Task) -> np.ndarray:
    """(members,) weights, learned on all rows of `members`."""
    return task.pool_weights(members, np.ones(len(members[0].labels), dtype=bool))


def cross_fitted_weights(members: list[Predicted], task: Task) -> np.ndarray:
    """(rows, members) weights of each row, learned on the other folds of `members`, so that no row chooses its own."""
    rows = len(members[0].labels)
    fold = np.random.default_rng(0).permutation(rows) % FOLDS
    return np.stack([task.pool_weights(members, fold != one) for one in range(FOLDS)])[fold]


def tuned(ensemble: Ensemble, validation: list[Predicted]) -> Ensemble:
    """The ensemble with what its task chooses on validation. A vote is decided by its majority."""
    if ensemble.method == "vote":
        return ensemble
    return replace(ensemble, task=ensemble.task.tuned(*combined_logits(ensemble, validation)))


def score_ensemble(ensemble: Ensemble, members: list[Run], folder: Path, report: Report) -> Report:
    """`report` with the scores of validation and test added; writes the predictions and, last, report.json.

    Weights that were learned on validation are learned again for its scores, on the other folds of each row.
    """
    validation, test = ([getattr(member, part) for member in members] for part in ("validation", "test"))
    rows_apart = ensemble
    if ensemble.method == "weights":
        rows_apart = replace(ensemble, weights=cross_fitted_weights(validation, ensemble.task))
    scored = {"validation": combined_logits(rows_apart, validation), "test": combined_logits(ensemble, test)}
    languages = members[0].languages
    write_predictions(folder, scored, ensemble.task, languages)
    conformal = fitted_scores(ensemble.task, scored)
    if conformal:
        conformal.save(folder)
    scores = scores_of_parts(scored, ensemble.task, languages)
    scores |= {"abstention": abstention_entry(ensemble.task, conformal, scored)}
    report = Report(**vars(report) | scores | environment())
    # The maximum over the members, because combining saved predictions needs few resources.
    for name in ("threads", "peak_memory_bytes", "peak_gpu_memory_bytes", "run_memory_bytes"):
        of_members = [getattr(member.report, name) for member in members]
        setattr(report, name, None if None in of_members else max(of_members))
    report.save(folder)
    return report


def combined_logits(ensemble: Ensemble, members: list[Predicted]) -> tuple[np.ndarray, np.ndarray]:
    """(rows, outputs) logits of the ensemble and (rows,) labels."""
    probabilities, predictions = (
        np.stack([getattr(member, name) for member in members]) for name in ("probabilities", "predictions")
    )
    return ensemble.task.logits(ensemble.combine(probabilities, predictions), SMALLEST), members[0].labels

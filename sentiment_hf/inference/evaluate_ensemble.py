"""Learns the weights of an ensemble on validation, and scores the ensemble on validation and test."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

from sentiment_hf.inference.ensemble import Ensemble
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.finished import Run
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.score import scores_of_parts, write_predictions
from sentiment_hf.tasks.task import Predicted, Task
from sentiment_hf.tasks.terms import SMALLEST

# The strength of the pull towards equal weights, in rows for each member. On samples of 60 validation rows of IMDB it
# keeps the ensemble from being worse than the plain mean where the members are equally good.
PRIOR_ROWS = 2

# Of the rows of validation, to score an ensemble on rows that did not choose its weights.
FOLDS = 5


def learned_weights(members: list[Predicted], task: Task) -> np.ndarray:
    """(members,) weights for the rows of `members`, as `fit_weights` finds them."""
    return fit_weights(likelihoods(members, task))


def likelihoods(members: list[Predicted], task: Task) -> np.ndarray:
    """(rows, members) the probability that each member gives to the label of the row."""
    found = [task.likelihood(one.labels, one.probabilities) for one in members]
    return np.stack(found, axis=1).clip(SMALLEST)


def fit_weights(of_label: np.ndarray, prior_rows: float = PRIOR_ROWS) -> np.ndarray:
    """(rows, members) likelihoods -> (members,) weights that minimise the log-loss, shrunk towards equal weights.

    The weights are positive and have the sum 1. The ensemble is a linear opinion pool (Stone 1961), a weighted mean of
    probabilities; to choose its weights by the log-loss on held-out rows is stacking (Yao et al. 2018). A Dirichlet
    prior counts as `prior_rows` rows for each member that this member alone explains: on few rows the weights are
    nearly equal, on many rows the prior has no say. The loss is convex in the weights and has one minimum. It is
    searched by the logarithms of the weights, which need no bounds.

    A member that was itself chosen or calibrated on these rows gets a weight that is somewhat too large.
    """
    rows, count = of_label.shape
    all_rows = rows + prior_rows * count

    def loss(unscaled: np.ndarray) -> tuple[float, np.ndarray]:
        logs = unscaled - logsumexp(unscaled)
        weights = np.exp(logs)
        pooled = of_label @ weights
        total = -np.log(pooled).sum() - prior_rows * logs.sum()
        slope = -(of_label / pooled[:, None]).sum(axis=0) * weights - prior_rows + weights * all_rows
        return total / all_rows, slope / all_rows

    settings = {"method": "L-BFGS-B", "options": {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000}}
    found = minimize(loss, np.zeros(count), jac=True, **settings).x
    return np.exp(found - logsumexp(found))


def cross_fitted_weights(members: list[Predicted], task: Task) -> np.ndarray:
    """(rows, members) weights of each row, learned on the other folds of `members`, so that no row chooses its own."""
    of_label = likelihoods(members, task)
    fold = np.random.default_rng(0).permutation(len(of_label)) % FOLDS
    return np.stack([fit_weights(of_label[fold != one]) for one in range(FOLDS)])[fold]


def score_ensemble(ensemble: Ensemble, members: list[Run], folder: Path, report: Report) -> Report:
    """`report` with the scores of validation and test added; writes the predictions and, last, report.json.

    Weights that were learned on validation are learned again for its scores, on the other folds of each row.
    """
    validation, test = ([getattr(member, part) for member in members] for part in ("validation", "test"))
    rows_apart = ensemble
    if ensemble.method == "weights":
        rows_apart = replace(ensemble, weights=cross_fitted_weights(validation, ensemble.task))
    scored = {"validation": combined_logits(rows_apart, validation), "test": combined_logits(ensemble, test)}
    write_predictions(folder, scored, ensemble.task)
    report = Report(**vars(report) | scores_of_parts(scored, ensemble.task) | environment())
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

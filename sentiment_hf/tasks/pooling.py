"""Weights of a mean over several models, learned on validation."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

# The strength of the pull of numbers towards equal weights, in rows for each member.
PRIOR_ROWS = 2

# The same of logits, and that towards the sum 1. On samples of 60 validation rows of IMDB they keep every ensemble
# that was tried from being worse than with equal weights (`benchmarks/ensemble_weights.py`).
EQUAL, SUM_OF_ONE = 10, 10

# Of the search for the smallest loss, which is convex and smooth.
SEARCH = {"method": "L-BFGS-B", "options": {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000}}


def odds_weights(logits: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(rows, members, classes) logits, (rows, classes) 0 and 1 -> (members,) weights that minimise the log-loss.

    The ensemble is a logarithmic opinion pool: the probabilities of the weighted sum of the logits. Its weights are
    not negative. Their sum is free, as an inverse temperature: members that agree for different reasons make the
    ensemble surer than each of them, and members that are too sure of themselves less. A normal prior pulls towards
    equal weights with the sum 1: on few rows they are nearly that, on many rows the prior has no say. The loss is
    convex.

    A member that was itself chosen or calibrated on these rows gets a weight that is somewhat too large.
    """
    count = logits.shape[1]

    def total(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = np.einsum("rmc,m->rc", logits, weights)
        logs = pooled - logsumexp(pooled, axis=1, keepdims=True)
        apart, excess = weights - weights.mean(), weights.sum() - 1
        value = -(truth * logs).sum() + EQUAL * count * (apart @ apart) + SUM_OF_ONE * excess**2
        slope = np.einsum("rmc,rc->m", logits, np.exp(logs) - truth)
        return value, slope + 2 * EQUAL * count * apart + 2 * SUM_OF_ONE * excess

    return minimize(total, np.full(count, 1 / count), jac=True, bounds=[(0, None)] * count, **SEARCH).x


def squared_error_weights(values: np.ndarray, labels: np.ndarray, prior_rows: float = PRIOR_ROWS) -> np.ndarray:
    """(rows, members) values, (rows,) labels -> (members,) weights that minimise the squared error.

    They are positive with the sum 1, as in Breiman's stacked regressions (1996). A Dirichlet prior, which counts as
    `prior_rows` rows for each member that it alone explains, shrinks them towards equal weights. The error of a row
    counts by the mean squared error of the plain mean, as the negative log-likelihood of a normal distribution with
    this variance does.
    """
    spread = max(float(((values.mean(1) - labels) ** 2).mean()), np.finfo(float).tiny)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        errors = values @ weights - labels
        return (errors**2).sum() / (2 * spread), values.T @ errors / spread

    return smallest(loss, *values.shape, prior_rows)


def smallest(
    loss: Callable[[np.ndarray], tuple[float, np.ndarray]], rows: int, count: int, prior_rows: float
) -> np.ndarray:
    """(count,) positive weights with the sum 1 at which the loss of so many rows and the prior together are smallest.

    `loss` returns its value and its gradient in the weights. The weights are searched by their logarithms, which need
    no bounds.
    """
    all_rows = rows + prior_rows * count

    def total(unscaled: np.ndarray) -> tuple[float, np.ndarray]:
        logs = unscaled - logsumexp(unscaled)
        weights = np.exp(logs)
        value, slope = loss(weights)
        in_logs = slope * weights - weights * (slope @ weights) - prior_rows + prior_rows * count * weights
        return (value - prior_rows * logs.sum()) / all_rows, in_logs / all_rows

    found = minimize(total, np.zeros(count), jac=True, **SEARCH).x
    return np.exp(found - logsumexp(found))

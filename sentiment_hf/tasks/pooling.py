"""Weights of a mean over several models, learned on validation."""

from collections.abc import Callable

import numpy as np
from scipy.optimize import minimize
from scipy.special import logsumexp

# The strength of the pull towards equal weights, in rows for each member. On samples of 60 validation rows of IMDB it
# keeps the ensemble from being worse than the plain mean where the members are equally good.
PRIOR_ROWS = 2


def likelihood_weights(of_label: np.ndarray, prior_rows: float = PRIOR_ROWS) -> np.ndarray:
    """(rows, members) likelihoods -> (members,) weights that minimise the log-loss, shrunk towards equal weights.

    The weights are positive and have the sum 1. The ensemble is a linear opinion pool (Stone 1961), a weighted mean of
    probabilities; to choose its weights by the log-loss on held-out rows is stacking (Yao et al. 2018). A Dirichlet
    prior counts as `prior_rows` rows for each member that this member alone explains: on few rows the weights are
    nearly equal, on many rows the prior has no say. The loss is convex in the weights and has one minimum.

    A member that was itself chosen or calibrated on these rows gets a weight that is somewhat too large.
    """

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        pooled = of_label @ weights
        return -np.log(pooled).sum(), -(of_label / pooled[:, None]).sum(axis=0)

    return smallest(loss, *of_label.shape, prior_rows)


def squared_error_weights(values: np.ndarray, labels: np.ndarray, prior_rows: float = PRIOR_ROWS) -> np.ndarray:
    """(rows, members) values, (rows,) labels -> (members,) weights that minimise the squared error.

    They are positive with the sum 1, as in Breiman's stacked regressions (1996), and shrunk as `likelihood_weights`:
    the error of a row counts by the mean squared error of the plain mean, as the negative log-likelihood of a normal
    distribution with this variance does.
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

    settings = {"method": "L-BFGS-B", "options": {"ftol": 1e-15, "gtol": 1e-9, "maxiter": 10_000}}
    found = minimize(total, np.zeros(count), jac=True, **settings).x
    return np.exp(found - logsumexp(found))

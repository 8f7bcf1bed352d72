"""Scores of predicted numbers, row by row, as `terms` explains them.

`labels` and `predictions` are (rows,) float64.
"""

import numpy as np


def absolute_error_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) absolute errors."""
    return np.abs(predictions - labels)


def root_mean_square_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) the root of the mean squared error plus the influence of each row on it."""
    squared = (predictions - labels) ** 2
    root = np.sqrt(squared.mean())
    return root + (squared - squared.mean()) / (2 * root) if root else squared


def determination_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) R2, the share of the variance of the labels that is explained, plus the influence of each row on it.

    If all labels are alike it is 1 without any error and else 0, as in scikit-learn.
    """
    squared, spread = (predictions - labels) ** 2, (labels - labels.mean()) ** 2
    error, variance = squared.mean(), spread.mean()
    if np.ptp(labels) == 0:
        return np.full(len(labels), float(error == 0))
    return 1 - error / variance - (squared - error) / variance + error / variance**2 * (spread - variance)


def rank_correlation_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) Spearman's correlation plus the influence of each row, with the ranks as given; 0 without spread."""
    from scipy.stats import rankdata

    ranks = [rankdata(values) for values in (labels, predictions)]
    if min(np.ptp(rank) for rank in ranks) == 0:
        return np.zeros(len(labels))
    a, b = ((rank - rank.mean()) / rank.std() for rank in ranks)
    correlation = (a * b).mean()
    return correlation + a * b - correlation / 2 * (a**2 + b**2)


def quadratic_kappa_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) Cohen's kappa with quadratic weights (Cohen 1968) plus the influence of each row on it.

    Kappa is 1 minus the mean squared distance of label and prediction, divided by the mean over all pairs of a label
    and a prediction of any two rows. It is 0 if all labels or all predictions are alike.
    """
    if min(np.ptp(labels), np.ptp(predictions)) == 0:
        return np.zeros(len(labels))
    squared = (labels - predictions) ** 2
    y, p = labels.mean(), predictions.mean()
    expected = (labels**2).mean() + (predictions**2).mean() - 2 * y * p
    of_rows = labels**2 + predictions**2 - 2 * (labels * p + predictions * y) + 2 * y * p
    observed = squared.mean()
    return 1 - observed / expected - (squared - observed) / expected + observed / expected**2 * (of_rows - expected)


def with_interval(terms: np.ndarray) -> tuple[float, list[float]]:
    """The mean of (rows,) terms, and its 95 % interval over samples of rows by the normal distribution."""
    mean, half = float(terms.mean()), 1.959964 * float(terms.std()) / np.sqrt(len(terms))
    return mean, [float(mean - half), float(mean + half)]

"""Scores of texts with several labels, row by row, as `terms` explains them.

`labels` and `predictions` are (rows, labels) truth values, `probabilities` (rows, labels).
"""

import numpy as np

from sentiment_hf.tasks.terms import SMALLEST, calibration_terms


def subset_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) 1 if all labels of a row are right, else 0."""
    return (labels == predictions).all(1).astype(np.float64)


def macro_f1_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) the mean F1 of the labels that occur plus the influence of each row on it."""
    hits, occurrences = labels & predictions, labels.astype(int) + predictions
    counts = occurrences.sum(0)
    f1 = 2 * hits.sum(0) / np.maximum(counts, 1)
    weights = (counts > 0) / np.maximum(counts, 1) / max((counts > 0).sum(), 1)
    return f1.sum() / max((counts > 0).sum(), 1) + len(labels) * ((2 * hits - f1 * occurrences) @ weights)


def micro_f1_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) the F1 over all labels together plus the influence of each row on it."""
    hits, occurrences = (labels & predictions).sum(1), labels.sum(1) + predictions.sum(1)
    count = max(occurrences.sum(), 1)
    f1 = 2 * hits.sum() / count
    return f1 + len(labels) * (2 * hits - f1 * occurrences) / count


def sample_f1_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) the F1 of the labels of each row; 1 for a row that rightly has none."""
    hits, occurrences = (labels & predictions).sum(1), labels.sum(1) + predictions.sum(1)
    return np.where(occurrences, 2 * hits / np.maximum(occurrences, 1), 1.0)


def binary_log_loss_terms(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) the mean over the labels of -log p(what is true), natural logarithm; p counts as 2^-24 at least."""
    return -np.log(np.maximum(np.where(labels, probabilities, 1 - probabilities), SMALLEST)).mean(1)


def calibration_error_terms(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) the mean over the labels of the terms of `calibration_terms`, whose bins are over all labels."""
    return calibration_terms(probabilities.ravel(), labels.ravel()).reshape(labels.shape).mean(1)

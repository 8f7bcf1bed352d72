"""Scores of single-label classification, row by row.

Each function gives (rows,) values whose mean is the score of one run. The spread of such values is that of the score
over samples of rows: exactly for means, to first order for the others (the infinitesimal jackknife, Efron 1982,
chapter 6). `labels` and `predictions` are (rows,) class ids, `probabilities` (rows, classes).
"""

import numpy as np

# The smallest positive float16: a saved probability of 0 was below half of it.
SMALLEST = 2.0**-24

BINS = 15


def accuracy_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """1 where a row is right, else 0."""
    return (predictions == labels).astype(np.float64)


def log_loss_terms(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """-log p(label), natural logarithm; no p is taken to be below 2^-24, the smallest that float16 can hold.

    A label that a model excludes thus costs 16.6 at most, less than the exact logits may say.
    """
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST))


def macro_f1_terms(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """The score, plus the influence of each row on it."""
    confusion = confusions(labels, predictions, classes)
    hits, occurrences = np.diagonal(confusion), confusion.sum(0) + confusion.sum(1)
    f1 = 2 * hits / np.maximum(occurrences, 1)
    weights = 1 / np.maximum(occurrences, 1) / (occurrences > 0).sum()
    influence = 2 * (predictions == labels) * weights[labels]
    influence = influence - f1[labels] * weights[labels] - f1[predictions] * weights[predictions]
    return macro_f1(hits, occurrences) + len(labels) * influence


def calibration_terms(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """Terms of the expected calibration error (Guo et al. 2017, equation 3) over 15 bins of equal width.

    It is the mean over rows of |mean confidence - accuracy| of the row's bin. Chance alone makes gaps, so it is too
    large on average, the more the fewer rows a bin holds, and its interval does not account for that.
    """
    bins = confidence_bins(confidence)
    gaps = confidence - correct
    signs = np.sign(np.bincount(bins, weights=gaps, minlength=BINS))
    return signs[bins] * gaps


def confidence_bins(confidence: np.ndarray) -> np.ndarray:
    """The bin of each row: 0 holds (0, 1/15], 14 holds (14/15, 1]."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)


def confusions(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) counts; a row of it is a true class."""
    cells = np.bincount(labels * classes + predictions, minlength=classes**2)
    return cells.reshape(classes, classes)


def macro_f1(hits: np.ndarray, occurrences: np.ndarray) -> np.ndarray:
    """(..., classes) -> (...): mean F1 of the classes that occur; a row adds one to those of label and prediction."""
    f1 = 2 * hits / np.maximum(occurrences, 1)
    return f1.sum(-1) / (occurrences > 0).sum(-1)

"""Scores of single-label classification, row by row.

Each *_terms function returns (rows,) terms. The mean of the terms is the score of one run. The variance of this mean
is the variance of the score over samples of rows: exactly if the score is a mean over rows, else to first order (the
infinitesimal jackknife, Efron 1982, chapter 6). `labels` and `predictions` are (rows,) class ids, `probabilities`
(rows, classes).
"""

import numpy as np

# The smallest positive float16. A probability below half of it is saved as 0.
SMALLEST = 2.0**-24

# No member of an ensemble counts as surer than that: a probability that was saved near 1 has no more digits, and one
# member that is certain and wrong would decide alone. On IMDB this costs no ensemble anything.
SUREST = 2.0**-10

BINS = 15


def accuracy_terms(labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """(rows,) 1 if the prediction is the label, else 0."""
    return (predictions == labels).astype(np.float64)


def top3_terms(labels: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(rows,) 1 if fewer than three classes have a larger score than the label, of (rows, classes), else 0."""
    own = scores[np.arange(len(labels)), labels][:, None]
    return ((scores > own).sum(1) < 3).astype(np.float64)


def log_loss_terms(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) -log p(label), natural logarithm. A p below 2^-24, the smallest positive float16, counts as 2^-24.

    A row therefore costs at most 16.6, even if the exact logits give more.
    """
    return -np.log(np.maximum(probabilities[np.arange(len(labels)), labels], SMALLEST))


def macro_f1_terms(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """(rows,) macro F1 plus the influence of each row on it."""
    confusion = confusion_counts(labels, predictions, classes)
    hits, occurrences = np.diagonal(confusion), confusion.sum(0) + confusion.sum(1)
    f1 = 2 * hits / np.maximum(occurrences, 1)
    weights = 1 / np.maximum(occurrences, 1) / (occurrences > 0).sum()
    influence = 2 * (predictions == labels) * weights[labels]
    influence = influence - f1[labels] * weights[labels] - f1[predictions] * weights[predictions]
    return mean_f1(hits, occurrences) + len(labels) * influence


def calibration_terms(confidence: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """(rows,) terms of the expected calibration error (Guo et al. 2017, equation 3) over 15 bins of equal width.

    The error is the mean over rows of |mean confidence - accuracy| in the bin of the row. It is biased: chance alone
    makes it larger than 0, more so the fewer rows a bin has. Its interval does not account for the bias.
    """
    bins = confidence_bins(confidence)
    gaps = confidence - correct
    signs = np.sign(np.bincount(bins, weights=gaps, minlength=BINS))
    return signs[bins] * gaps


def confidence_bins(confidence: np.ndarray) -> np.ndarray:
    """(rows,) bin numbers: bin 0 is (0, 1/15], bin 14 is (14/15, 1]."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)


def confusion_counts(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """(classes, classes) numbers of rows by label (first axis) and prediction (second axis)."""
    cells = np.bincount(labels * classes + predictions, minlength=classes**2)
    return cells.reshape(classes, classes)


def mean_f1(hits: np.ndarray, occurrences: np.ndarray) -> np.ndarray:
    """(..., classes) hits and occurrences -> (...) mean F1 of the classes that occur.

    hits: rows of a class that are predicted right. occurrences: its rows plus its predictions.
    """
    f1 = 2 * hits / np.maximum(occurrences, 1)
    return f1.sum(-1) / (occurrences > 0).sum(-1)

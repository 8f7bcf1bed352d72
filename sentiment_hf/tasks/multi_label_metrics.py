"""Scores of texts with several labels over all rows at once. Import this module inside of functions: it is slow.

`labels` and `predictions` are (rows, labels) truth values, `probabilities` (rows, labels).
"""

from typing import Any

import numpy as np
from scipy.stats import binomtest
from sklearn.metrics import average_precision_score, multilabel_confusion_matrix

from sentiment_hf.tasks.multi_label_terms import macro_f1_terms, micro_f1_terms, sample_f1_terms, subset_terms


def rates(labels: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Subset accuracy, and macro, micro and sample F1. Macro F1 is over the labels that occur or are predicted."""
    terms = {
        "subset_accuracy": subset_terms,
        "f1_macro": macro_f1_terms,
        "f1_micro": micro_f1_terms,
        "f1_samples": sample_f1_terms,
    }
    return {name: float(of_rows(labels, predictions).mean()) for name, of_rows in terms.items()}


def binary_cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """The mean over rows and labels of (rows, labels) logits."""
    logits = logits.astype(np.float64)
    return float((np.logaddexp(0, logits) - labels * logits).mean())


def full_scores(
    labels: np.ndarray, probabilities: np.ndarray, predictions: np.ndarray, least: np.ndarray, names: tuple[str, ...]
) -> dict[str, Any]:
    """All scores of one part in report.json but the loss, as fractions. `least`: (labels,) thresholds.

    The interval of the subset accuracy is a 95 % Wilson interval. The average precision of a label without rows is
    None; the macro average is over the others.
    """
    right = int((labels == predictions).all(1).sum())
    interval = binomtest(right, len(labels)).proportion_ci(0.95, method="wilson")
    per_class = scores_by_label(labels, probabilities, predictions, least, names)
    known = [one["average_precision"] for one in per_class.values() if one["average_precision"] is not None]
    return rates(labels, predictions) | {
        "subset_accuracy_interval": [interval.low, interval.high],
        "average_precision_macro": float(np.mean(known)) if known else None,
        "per_class": per_class,
        "rows": len(labels),
    }


def scores_by_label(
    labels: np.ndarray, probabilities: np.ndarray, predictions: np.ndarray, least: np.ndarray, names: tuple[str, ...]
) -> dict[str, dict[str, Any]]:
    """{label: its scores, its threshold, and its confusion matrix [[right without, false], [missed, found]]}."""
    found = multilabel_confusion_matrix(labels, predictions)
    return {
        name: label_scores(labels[:, index], probabilities[:, index], found[index])
        | {"threshold": float(least[index])}
        for index, name in enumerate(names)
    }


def label_scores(label: np.ndarray, probabilities: np.ndarray, confusion: np.ndarray) -> dict[str, Any]:
    """The scores of one label from its (rows,) truth values and probabilities, and its (2, 2) confusion matrix."""
    (_, false), (missed, hits) = confusion.tolist()
    return {
        "precision": hits / max(hits + false, 1),
        "recall": hits / max(hits + missed, 1),
        "f1": 2 * hits / max(2 * hits + false + missed, 1),
        "average_precision": float(average_precision_score(label, probabilities)) if label.any() else None,
        "rows": hits + missed,
        "confusion": confusion.tolist(),
    }

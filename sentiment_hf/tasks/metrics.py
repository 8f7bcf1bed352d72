"""Scores of single-label classification over all rows at once, never averaged over batches.

`predictions` and `labels` are (rows,) class ids. This module brings `evaluate`; import it where scores are computed.
"""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

# As scikit-learn orders them; the number of rows comes after.
COLUMNS = ("precision", "recall", "f1")


class ClassificationScores(evaluate.Metric):
    """Accuracy, macro precision, recall and F1; a class of our own, since `evaluate.load` asks the network."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description="Accuracy, macro precision, recall and F1 of single-label classification.",
            citation="",
            inputs_description="predictions and references: class ids",
            features=datasets.Features(
                {"predictions": datasets.Value("int64"), "references": datasets.Value("int64")}
            ),
        )

    def _compute(self, predictions: list[int], references: list[int], num_labels: int) -> dict[str, float]:
        columns = of_classes(predictions, references, num_labels)
        return accuracy_and_means(np.asarray(predictions), np.asarray(references), columns)


def accuracy_and_means(predictions: np.ndarray, labels: np.ndarray, columns: tuple[np.ndarray, ...]) -> dict:
    """Accuracy, and precision, recall, F1 of the classes in `columns`, averaged over those that occur.

    A class without rows that is never predicted has no say, as in scikit-learn; one that is predicted counts as zero.
    """
    occur = np.union1d(predictions, labels)
    means = {f"{name}_macro": float(column[occur].mean()) for name, column in zip(COLUMNS, columns, strict=False)}
    return {"accuracy": float((predictions == labels).mean())} | means


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label) over the rows of (rows, classes) logits, natural logarithm."""
    return float(-log_softmax(logits.astype(np.float64), axis=-1)[np.arange(len(labels)), labels].mean())


def full_scores(predictions: np.ndarray, labels: np.ndarray, loss: float, names: tuple[str, ...]) -> dict:
    """All that report.json says of one part; fractions, with a 95 % Wilson interval of the accuracy."""
    interval = binomtest(int((predictions == labels).sum()), len(labels)).proportion_ci(0.95, method="wilson")
    columns = of_classes(predictions, labels, len(names))
    return accuracy_and_means(predictions, labels, columns) | {
        "accuracy_interval": [interval.low, interval.high],
        "loss": loss,
        "per_class": by_name(columns, names),
        "confusion": confusion_matrix(labels, predictions, labels=range(len(names))).tolist(),
        "rows": len(labels),
    }


def scores_by_class(predictions: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> dict[str, dict]:
    """Class name to its precision, recall, F1 and number of rows."""
    return by_name(of_classes(predictions, labels, len(names)), names)


def of_classes(predictions: Sequence[int], labels: Sequence[int], classes: int) -> tuple[np.ndarray, ...]:
    """(classes,) precision, recall, F1 and rows; 0 where a rate has no rows to be one of."""
    return precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=0)


def by_name(columns: tuple[np.ndarray, ...], names: tuple[str, ...]) -> dict[str, dict]:
    """What `of_classes` returns, as an object for each class."""
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(names, *columns, strict=True)
    }

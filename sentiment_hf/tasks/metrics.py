"""Scores of single-label classification over all rows at once, never averaged over batches.

`predictions` and `labels` are (rows,) class ids. Import this module inside of functions: it imports `evaluate`, which
is slow.
"""

from collections.abc import Sequence

import datasets
import evaluate
import numpy as np
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

# In the order of `precision_recall_fscore_support`, which returns the number of rows after them.
RATES = ("precision", "recall", "f1")


class ClassificationScores(evaluate.Metric):
    """Accuracy, macro precision, recall and F1, computed in memory without a file.

    It is defined here because `evaluate.load` needs the network.
    """

    def __init__(self):
        super().__init__(keep_in_memory=True)

    def _build_data_dir(self) -> str:
        """Make no folder in HF_HOME, which may be read-only: `evaluate` makes one even with keep_in_memory."""
        return ""

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
        columns = class_score_arrays(predictions, references, num_labels)
        return accuracy_and_means(np.asarray(predictions), np.asarray(references), columns)


def accuracy_and_means(predictions: np.ndarray, labels: np.ndarray, columns: tuple[np.ndarray, ...]) -> dict:
    """Accuracy, and macro precision, recall and F1 from `columns`, the result of `class_score_arrays`.

    The macro scores are means over the classes that occur as label or as prediction, as in scikit-learn. A class that
    is predicted but has no rows counts as 0.
    """
    occur = np.union1d(predictions, labels)
    means = {f"{name}_macro": float(column[occur].mean()) for name, column in zip(RATES, columns, strict=False)}
    return {"accuracy": float((predictions == labels).mean())} | means


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label) over the rows of (rows, classes) logits, natural logarithm."""
    return float(-log_softmax(logits.astype(np.float64), axis=-1)[np.arange(len(labels)), labels].mean())


def full_scores(predictions: np.ndarray, labels: np.ndarray, loss: float, names: tuple[str, ...]) -> dict:
    """All scores of one part in report.json, as fractions. The interval of the accuracy is a 95 % Wilson interval."""
    interval = binomtest(int((predictions == labels).sum()), len(labels)).proportion_ci(0.95, method="wilson")
    columns = class_score_arrays(predictions, labels, len(names))
    return accuracy_and_means(predictions, labels, columns) | {
        "accuracy_interval": [interval.low, interval.high],
        "loss": loss,
        "per_class": class_score_objects(columns, names),
        "confusion": confusion_matrix(labels, predictions, labels=range(len(names))).tolist(),
        "rows": len(labels),
    }


def scores_by_class(predictions: np.ndarray, labels: np.ndarray, names: tuple[str, ...]) -> dict[str, dict]:
    """{class name: {precision, recall, f1, rows}}."""
    return class_score_objects(class_score_arrays(predictions, labels, len(names)), names)


def class_score_arrays(predictions: Sequence[int], labels: Sequence[int], classes: int) -> tuple[np.ndarray, ...]:
    """Four (classes,) arrays: precision, recall, F1, number of rows. A rate over no rows is 0."""
    return precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=0)


def class_score_objects(columns: tuple[np.ndarray, ...], names: tuple[str, ...]) -> dict[str, dict]:
    """{class name: {precision, recall, f1, rows}} from the arrays of `class_score_arrays`."""
    return {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(names, *columns, strict=True)
    }

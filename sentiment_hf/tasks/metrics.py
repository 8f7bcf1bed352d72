"""Scores of a classifier, computed from its logits over all rows at once, never averaged over batches."""

import datasets
import evaluate
import numpy as np
from scipy.special import log_softmax
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
from transformers import EvalPrediction

# The smallest positive float16: a saved probability of 0 was below half of it.
SMALLEST = 2.0**-24

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
        columns = precision_recall_fscore_support(references, predictions, labels=range(num_labels), zero_division=0)
        return accuracy_and_means(np.asarray(predictions), np.asarray(references), columns)


def accuracy_and_means(predictions: np.ndarray, labels: np.ndarray, columns: tuple[np.ndarray, ...]) -> dict:
    """Accuracy, and precision, recall, F1 of the classes in `columns`, averaged over those that occur.

    A class without rows that is never predicted has no say, as in scikit-learn; one that is predicted counts as zero.
    """
    occur = np.union1d(predictions, labels)
    means = {f"{name}_macro": float(column[occur].mean()) for name, column in zip(COLUMNS, columns, strict=False)}
    return {"accuracy": float((predictions == labels).mean())} | means


def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
    """What `Trainer` logs at each evaluation: logits (rows, num_labels) and labels (rows,) -> scores."""
    logits = prediction.predictions
    return ClassificationScores().compute(
        predictions=logits.argmax(-1), references=prediction.label_ids, num_labels=logits.shape[-1]
    )


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -log p(label) over the rows, natural logarithm."""
    return float(-log_softmax(logits.astype(np.float64), axis=-1)[np.arange(len(labels)), labels].mean())


def full_scores(logits: np.ndarray, labels: np.ndarray, names: list[str]) -> dict:
    """All that `report.json` says of one split; fractions, with a 95 % Wilson interval of the accuracy."""
    predictions = logits.argmax(-1)
    interval = binomtest(int((predictions == labels).sum()), len(labels)).proportion_ci(0.95, method="wilson")
    columns = precision_recall_fscore_support(labels, predictions, labels=range(len(names)), zero_division=0)
    per_class = {
        name: {"precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(names, *columns, strict=True)
    }
    return accuracy_and_means(predictions, labels, columns) | {
        "accuracy_interval": [interval.low, interval.high],
        "loss": cross_entropy(logits, labels),
        "per_class": per_class,
        "confusion": confusion_matrix(labels, predictions, labels=range(len(names))).tolist(),
        "rows": len(labels),
    }

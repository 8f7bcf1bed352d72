"""`SingleLabel`: a text belongs to one of several classes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.label_column import LabelColumn, class_names, in_order
from sentiment_hf.tasks.task import Details, Predicted, Score
from sentiment_hf.tasks.terms import (
    SMALLEST,
    accuracy_terms,
    calibration_terms,
    confusions,
    log_loss_terms,
    macro_f1_terms,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import ClassLabel
    from torch import Tensor

# A published run keeps logarithms of float16 probabilities. Those in float32 bring back each of them; in float16 they
# do not, for the 15 360 positive probabilities have 5 249 different ones, and a published figure would change in its
# last digits.
LOGS = np.float32

# A probability that was saved as 0 was below half of the smallest positive float16, as this is.
SAVED_AS_ZERO = 0.49 * SMALLEST


def accuracy(predicted: Predicted) -> np.ndarray:
    """(rows,) terms of the accuracy."""
    return accuracy_terms(predicted.labels, predicted.predictions)


def macro_f1(predicted: Predicted) -> np.ndarray:
    """(rows,) terms of the macro F1."""
    return macro_f1_terms(predicted.labels, predicted.predictions, predicted.probabilities.shape[1])


def log_loss(predicted: Predicted) -> np.ndarray:
    """(rows,) terms of the log-loss."""
    return log_loss_terms(predicted.labels, predicted.probabilities)


def calibration_error(predicted: Predicted) -> np.ndarray:
    """(rows,) terms of the calibration error."""
    return calibration_terms(confidence(predicted), accuracy(predicted))


def confidence(predicted: Predicted) -> np.ndarray:
    """(rows,) probability of the class that is predicted."""
    return predicted.probabilities[np.arange(len(predicted.labels)), predicted.predictions]


ACCURACY = Score("accuracy", "accuracy", accuracy)
MACRO_F1 = Score("f1_macro", "macro F1", macro_f1)
LOG_LOSS = Score("log_loss", "log-loss", log_loss, share=False, unit="nats", more_is_better=False)
CALIBRATION = Score("calibration_error", "calibration error", calibration_error, share=False, more_is_better=False)


@dataclass(frozen=True)
class SingleLabel:
    """The task of these classes, in the order of their ids; `Task` says what the methods answer."""

    labels: tuple[str, ...]

    name: ClassVar[str] = "single_label"
    problem_type: ClassVar[str] = "single_label_classification"
    ranking: ClassVar[Score] = ACCURACY
    compared: ClassVar[tuple[Score, ...]] = (ACCURACY, MACRO_F1, LOG_LOSS, CALIBRATION)
    purpose: ClassVar[str] = "It sorts a text into one of {count} classes: {labels}."
    hub_type: ClassVar[str] = "text-classification"
    hub_scores: ClassVar[tuple[tuple[str, str], ...]] = (
        ("accuracy", "Accuracy"),
        ("f1_macro", "Macro F1"),
        ("loss", "Loss"),
    )
    hub_metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1")
    decision: ClassVar[str] = "labels[int(logits.argmax())]"
    score_header: ClassVar[tuple[str, ...]] = ("accuracy", "95 % interval", "macro F1", "loss", "rows")

    @classmethod
    def read(cls, columns: Mapping[str, Sequence[LabelColumn]]) -> tuple[Self, dict[str, list[int]]]:
        """The classes of train, and the class id of each row by split.

        The classes are those of its own ClassLabel, or the names in train, as numbers if all are.

        Raises:
            InputError: a label is missing or no class, train has one class only, or another split a class more.
        """
        names = {split: [class_names(column) for column in pieces] for split, pieces in columns.items()}
        known = {name for piece in names["train"] for name in piece}
        first = columns["train"][0]
        if len(known) < 2:
            raise InputError(
                f"{first.source}: every row has the label {min(known)!r} in {first.name!r}; a classifier needs at "
                "least two classes. Another column is chosen by --label_column_name."
            )
        for split, pieces in columns.items():
            for column, piece in zip(pieces, names[split], strict=True):
                refuse_unknown(column, piece, known, split)
        task = cls(tuple(first.classes or in_order(known)))
        ids = {name: index for index, name in enumerate(task.labels)}
        return task, {split: [ids[name] for piece in pieces for name in piece] for split, pieces in names.items()}

    @property
    def feature(self) -> "ClassLabel":
        """A ClassLabel of these classes."""
        from datasets import ClassLabel

        return ClassLabel(names=list(self.labels))

    def places_in(self, order: Sequence[str]) -> np.ndarray:
        """The id of each class where the classes are numbered in another order."""
        return np.array([order.index(name) for name in self.labels])

    def as_text(self, labels: Iterable[int]) -> list[str]:
        """The names of class ids."""
        return [self.labels[label] for label in labels]

    def class_weights(self, labels: np.ndarray) -> np.ndarray:
        """rows / (classes * rows of the class), as in scikit-learn: the mean weight of a row is 1; 0 without rows."""
        counts = np.bincount(labels, minlength=len(self.labels))
        return np.where(counts, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0)

    def loss(self, class_weights: np.ndarray | None, label_smoothing: float) -> Callable[..., "Tensor"]:
        """Cross-entropy summed over the texts and divided by those of the whole optimizer step.

        The same for custom and stock models, and the same for one big batch, accumulated small ones and several
        processes. Stock models by themselves return a mean per small batch, which `Trainer` adds up
        (huggingface/transformers#47688).
        """
        import torch

        weights = None if class_weights is None else torch.tensor(class_weights, dtype=torch.float32)

        def loss(outputs, labels: "Tensor", num_items_in_batch: "Tensor | None" = None) -> "Tensor":
            weight = None if weights is None else weights.to(outputs.logits)
            total = torch.nn.functional.cross_entropy(
                outputs.logits, labels, weight=weight, label_smoothing=label_smoothing, reduction="sum"
            )
            return total / (labels.shape[0] if num_items_in_batch is None else num_items_in_batch)

        return loss

    def probabilities(self, logits: "np.ndarray | Tensor") -> np.ndarray:
        """The softmax in float32, on the device where the logits are."""
        import torch

        return torch.as_tensor(logits).float().softmax(-1).cpu().numpy()

    def logits(self, probabilities: np.ndarray, smallest: float = SMALLEST) -> np.ndarray:
        """The logarithms; `smallest` is there because that of 0 is infinite."""
        return np.log(probabilities.clip(smallest))

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """The class with the largest logit, or the largest probability; of equal ones the first."""
        return scores.argmax(-1)

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """1 for the predicted class, 0 for the others."""
        return np.eye(len(self.labels))[predictions]

    def likelihood(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """The probability of the label."""
        return probabilities[np.arange(len(labels)), labels]

    def confidence(self, predicted: Predicted) -> np.ndarray:
        """The probability of the predicted class."""
        return confidence(predicted)

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """True where the label is predicted."""
        return predictions == labels

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Accuracy, and macro precision, recall and F1."""
        from sentiment_hf.tasks.metrics import ClassificationScores

        return ClassificationScores().compute(
            predictions=self.decide(logits), references=labels, num_labels=logits.shape[-1]
        )

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The cross-entropy, natural logarithm."""
        from sentiment_hf.tasks.metrics import cross_entropy

        return cross_entropy(logits, labels)

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Accuracy with its interval, macro scores, loss, scores of each class, and the confusion matrix."""
        from sentiment_hf.tasks.metrics import full_scores

        loss = self.evaluation_loss(logits, labels)
        return full_scores(self.decide(logits), labels, loss, self.labels)

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """The confusion matrix, a row a true class, and precision, recall, F1 and rows of each class."""
        from sentiment_hf.tasks.metrics import scores_by_class

        confusion = confusions(predicted.labels, predicted.predictions, len(self.labels))
        return {
            "confusion": confusion.tolist(),
            "per_class": scores_by_class(predicted.predictions, predicted.labels, self.labels),
        }

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """label, prediction (int16), and the probability of each class (float16)."""
        probabilities = self.probabilities(logits).astype(np.float16)
        return {"label": labels.astype(np.int16), "prediction": self.decide(logits).astype(np.int16)} | {
            f"probability_{name}": probabilities[:, index] for index, name in enumerate(self.labels)
        }

    def predicted(self, table: "pa.Table") -> Predicted:
        """Label, prediction and probabilities as they were rounded."""
        probabilities = [table[f"probability_{name}"].to_numpy() for name in self.labels]
        labels, predictions = (table[name].to_numpy().astype(np.int64) for name in ("label", "prediction"))
        return Predicted(labels, predictions, np.stack(probabilities, axis=1).astype(np.float64))

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, classes) log-probabilities; on each row that of the predicted class is larger than all others."""
        saved = predicted.probabilities
        logs = np.log(np.where(saved > 0, saved, SAVED_AS_ZERO)).astype(LOGS)
        rows, others = np.arange(len(logs)), logs.copy()
        others[rows, predicted.predictions] = -np.inf
        # Where another class was saved with the same probability, the predicted class moves up by the least step.
        least = np.nextafter(others.max(1), LOGS(np.inf))
        logs[rows, predicted.predictions] = np.maximum(logs[rows, predicted.predictions], least)
        return logs

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """Class ids of the names, and probabilities rounded to the numbers that the run saved."""
        ids = {name: index for index, name in enumerate(self.labels)}
        probabilities = np.exp(logs, dtype=np.float64).astype(np.float16).astype(np.float64)
        return Predicted(np.array([ids[label] for label in labels]), self.decide(logs), probabilities)

    def summary(self, scores: dict[str, Any]) -> str:
        """Accuracy with its interval, macro F1 and loss; percent."""
        low, high = scores["accuracy_interval"]
        return (
            f"accuracy {scores['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), "
            f"macro F1 {scores['f1_macro']:.2%}, loss {scores['loss']:.4f}, {scores['rows']:,} rows"
        )

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """Percent, but the loss in nats."""
        low, high = scores["accuracy_interval"]
        rates = (f"{scores['accuracy']:.2%}", f"{low:.2%} to {high:.2%}", f"{scores['f1_macro']:.2%}")
        return (*rates, f"{scores['loss']:.4f}", f"{scores['rows']:,}")

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """Precision, recall and F1 of each class, and the confusion matrix."""
        of_classes = [
            (name, *(f"{one[key]:.2%}" for key in ("precision", "recall", "f1")), f"{one['rows']:,}")
            for name, one in zip(self.labels, scores["per_class"].values(), strict=True)
        ]
        counts = [(name, *row) for name, row in zip(self.labels, scores["confusion"], strict=True)]
        return [
            Details("On test, class by class:", ("class", "precision", "recall", "F1", "rows"), of_classes),
            Details("Rows of test by true class (down) and prediction (across):", ("", *self.labels), counts),
        ]


def refuse_unknown(column: LabelColumn, names: Sequence[str], known: set[str], split: str) -> None:
    """Raises InputError for a class that train has no row of."""
    for index, name in enumerate(names):
        if name not in known:
            raise InputError(
                f"{column.place(index)}: the class {name!r} stands in {split} but in no row of train, so it cannot be "
                f"learned. Classes of train: {', '.join(sorted(known))}"
            )

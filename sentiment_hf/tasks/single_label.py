"""`SingleLabel`: a text belongs to one of several classes."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.class_names import read_class_names
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.task import Details, Predicted, Score
from sentiment_hf.tasks.terms import (
    SMALLEST,
    accuracy_terms,
    calibration_terms,
    confusion_counts,
    log_loss_terms,
    macro_f1_terms,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

# The type of the logarithms of float16 probabilities in a published run. Each probability can be computed again from a
# float32 logarithm, but not from a float16 one: the 15 360 positive float16 values up to 1 have only 5 249 different
# logarithms in float16.
LOG_DTYPE = np.float32

# Stands for a probability that was saved as 0: less than half of the smallest positive float16.
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
    return calibration_terms(probability_of(predicted.predictions, predicted.probabilities), accuracy(predicted))


def probability_of(classes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) class ids, (rows, classes) probabilities -> (rows,) the probability of the class of each row."""
    return probabilities[np.arange(len(classes)), classes]


ACCURACY = Score("accuracy", "accuracy", accuracy)
MACRO_F1 = Score("f1_macro", "macro F1", macro_f1)
LOG_LOSS = Score("log_loss", "log-loss", log_loss, share=False, unit="nats", more_is_better=False)
CALIBRATION = Score("calibration_error", "calibration error", calibration_error, share=False, more_is_better=False)


@dataclass(frozen=True)
class SingleLabel:
    """The task with the classes `labels`, in the order of their ids. `Task` says what each method is for."""

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
    def read(cls, columns: Mapping[str, Sequence[LabelColumn]]) -> tuple[Self, dict[str, np.ndarray]]:
        """The task of the classes in train, and the class ids of the rows, by split.

        Raises:
            InputError: as `read_class_names`; or train has only one class, or another split has a class that train
                does not have.
        """
        order, names = read_class_names(columns)
        known = {name for piece in names["train"] for name in piece}
        first = columns["train"][0]
        if len(known) < 2:
            raise InputError(
                f"{first.source}: every row has the label {min(known)!r} in {first.name!r}; a classifier needs at "
                "least two classes. Another column is chosen by --label_column_name."
            )
        for split, pieces in columns.items():
            for column, piece in zip(pieces, names[split], strict=True):
                refuse_unknown_classes(column, piece, known, split)
        ids = {name: index for index, name in enumerate(order)}
        return cls(tuple(order)), {
            split: np.concatenate(
                [
                    np.array([ids[name] for name in piece])[column.distinct.codes]
                    for column, piece in zip(columns[split], pieces, strict=True)
                ]
            )
            for split, pieces in names.items()
        }

    def places_in(self, order: Sequence[str]) -> np.ndarray:
        """(classes,) the id of each class if the ids follow `order`."""
        return np.array([order.index(name) for name in self.labels])

    def as_text(self, labels: Iterable[int]) -> list[str]:
        """The class names of class ids."""
        return np.array(self.labels, object)[np.asarray(labels, np.int64)].tolist()

    def class_weights(self, labels: np.ndarray) -> np.ndarray:
        """(classes,): rows / (classes with rows * rows of the class), as in scikit-learn; 0 for one without rows."""
        counts = np.bincount(labels, minlength=len(self.labels))
        return np.where(counts, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0)

    def loss(self, class_weights: np.ndarray | None, label_smoothing: float) -> Callable[..., "Tensor"]:
        """Cross-entropy, summed over the texts of a batch and divided by the number of texts in the optimizer step.

        It is the same for custom and stock models, and for one large batch, accumulated small batches and several
        processes. The loss of a stock model is a mean per small batch, and `Trainer` adds these means
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
        """The softmax in float32, computed on the device of the logits."""
        import torch

        return torch.as_tensor(logits).float().softmax(-1).cpu().numpy()

    def logits(self, probabilities: np.ndarray, smallest: float = SMALLEST) -> np.ndarray:
        """The logarithms of the probabilities; log 0 would be infinite."""
        return np.log(probabilities.clip(smallest))

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """The class with the largest logit or probability; among equal ones the first class."""
        return scores.argmax(-1)

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """1 for the predicted class, 0 for the other classes."""
        return np.eye(len(self.labels))[predictions]

    def likelihood(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """The probability of the class."""
        return probability_of(labels, probabilities)

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """True if the prediction is the label."""
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
        """Accuracy with its interval, macro scores, loss, scores of each class, confusion matrix."""
        from sentiment_hf.tasks.metrics import full_scores

        loss = self.evaluation_loss(logits, labels)
        return full_scores(self.decide(logits), labels, loss, self.labels)

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """The confusion matrix (a row per true class), and precision, recall, F1 and rows of each class."""
        from sentiment_hf.tasks.metrics import scores_by_class

        confusion = confusion_counts(predicted.labels, predicted.predictions, len(self.labels))
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
        """Labels, predictions, and the probabilities as rounded to float16."""
        probabilities = [table[f"probability_{name}"].to_numpy() for name in self.labels]
        labels, predictions = (table[name].to_numpy().astype(np.int64) for name in ("label", "prediction"))
        return Predicted(labels, predictions, np.stack(probabilities, axis=1).astype(np.float64))

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, classes) log-probabilities. In each row the one of the predicted class is the only largest."""
        saved = predicted.probabilities
        logs = np.log(np.where(saved > 0, saved, SAVED_AS_ZERO)).astype(LOG_DTYPE)
        rows, others = np.arange(len(logs)), logs.copy()
        others[rows, predicted.predictions] = -np.inf
        # If another class was saved with the same probability, the predicted class gets the next larger float32.
        least = np.nextafter(others.max(1), LOG_DTYPE(np.inf))
        logs[rows, predicted.predictions] = np.maximum(logs[rows, predicted.predictions], least)
        return logs

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """The class ids of the names, and the float16 probabilities that the run saved."""
        ids = {name: index for index, name in enumerate(self.labels)}
        probabilities = np.exp(logs, dtype=np.float64).astype(np.float16).astype(np.float64)
        return Predicted(np.array([ids[label] for label in labels]), self.decide(logs), probabilities)

    def summary(self, scores: dict[str, Any]) -> str:
        """Accuracy with its interval, macro F1, loss, number of rows; rates in percent."""
        low, high = scores["accuracy_interval"]
        return (
            f"accuracy {scores['accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), "
            f"macro F1 {scores['f1_macro']:.2%}, loss {scores['loss']:.4f}, {scores['rows']:,} rows"
        )

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """Rates in percent, the loss in nats."""
        low, high = scores["accuracy_interval"]
        rates = (f"{scores['accuracy']:.2%}", f"{low:.2%} to {high:.2%}", f"{scores['f1_macro']:.2%}")
        return (*rates, f"{scores['loss']:.4f}", f"{scores['rows']:,}")

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """Precision, recall and F1 of each class, and the confusion matrix."""
        class_lines = [
            (name, *(f"{one[key]:.2%}" for key in ("precision", "recall", "f1")), f"{one['rows']:,}")
            for name, one in zip(self.labels, scores["per_class"].values(), strict=True)
        ]
        counts = [(name, *row) for name, row in zip(self.labels, scores["confusion"], strict=True)]
        return [
            Details("On test, class by class:", ("class", "precision", "recall", "F1", "rows"), class_lines),
            Details("Rows of test by true class (down) and prediction (across):", ("", *self.labels), counts),
        ]


def refuse_unknown_classes(column: LabelColumn, names: Sequence[str], known: set[str], split: str) -> None:
    """Raise InputError if a name of the `distinct` cells is not a class of train (`known`)."""
    for row, name in zip(column.distinct.first_rows, names, strict=True):
        if name not in known:
            raise InputError(
                f"{column.place(row)}: the class {name!r} stands in {split} but in no row of train, so it cannot be "
                f"learned. Classes of train: {', '.join(sorted(known))}"
            )

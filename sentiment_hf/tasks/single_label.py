"""`SingleLabel`: a text belongs to one of several classes."""

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.class_names import read_class_names
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.label_sets import BETWEEN
from sentiment_hf.tasks.refusals import refuse_flags
from sentiment_hf.tasks.task import Details, Predicted, Score
from sentiment_hf.tasks.terms import (
    SMALLEST,
    SUREST,
    accuracy_terms,
    calibration_terms,
    confusion_counts,
    log_loss_terms,
    macro_f1_terms,
    top3_terms,
)

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from sentiment_hf.settings.arguments import RunArguments

# The type of the logarithms of float16 probabilities in a published run. Each probability can be computed again from a
# float32 logarithm, but not from a float16 one: the 15 360 positive float16 values up to 1 have only 5 249 different
# logarithms in float16.
LOG_DTYPE = np.float32

# Up to so many classes the first three say little, a confusion matrix can be read, and a card shows all of them.
FEW, READABLE, SHOWN = 10, 20, 50
# Confusions that are shown of more classes than a matrix can show.
WORST = 20

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


def top3(predicted: Predicted) -> np.ndarray:
    """(rows,) 1 if the label is among the three classes with the largest probabilities, else 0."""
    return top3_terms(predicted.labels, predicted.probabilities)


def probability_of(classes: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """(rows,) class ids, (rows, classes) probabilities -> (rows,) the probability of the class of each row."""
    return probabilities[np.arange(len(classes)), classes]


def named_probabilities(labels: Sequence[str], probabilities: np.ndarray) -> list[str]:
    """For each row, the names of the outputs with their probabilities, as text."""
    return ["  ".join(f"{label} {p:.4f}" for label, p in zip(labels, row, strict=True)) for row in probabilities]


ACCURACY = Score("accuracy", "accuracy", accuracy, sentence="{value} of {rows} test rows right")
TOP3 = Score("top3_accuracy", "top-3 accuracy", top3)
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
    second: ClassVar[Score] = MACRO_F1
    exact: ClassVar[str] = "mcnemar"
    duel_name: ClassVar[str] = "the exact McNemar test"
    metrics: ClassVar[tuple[str, ...]] = ("accuracy", "precision_macro", "recall_macro", "f1_macro", "loss")
    chosen_by: ClassVar[str] = "accuracy"
    falling: ClassVar[frozenset[str]] = frozenset({"loss"})
    tunes: ClassVar[bool] = False
    calibrates: ClassVar[bool] = True
    votes: ClassVar[bool] = True
    has_sets: ClassVar[bool] = True
    set_answers: ClassVar[dict[str, type]] = {"set": str, "abstained": bool}
    needs_all: ClassVar[bool] = True
    sure: ClassVar[float] = 0.9
    sure_name: ClassVar[str] = "mean probability"
    purpose: ClassVar[str] = "It sorts a text into one of {count} classes: {labels}."
    hub_type: ClassVar[str] = "text-classification"
    hub_scores: ClassVar[tuple[tuple[str, str], ...]] = (
        ("accuracy", "Accuracy"),
        ("f1_macro", "Macro F1"),
        ("loss", "Loss"),
    )
    hub_metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1")
    pipeline_arguments: ClassVar[str] = ""
    pipeline_note: ClassVar[str] = ""

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

    @property
    def has_top3(self) -> bool:
        """Whether there are so many classes that to be among the first three says something."""
        return len(self.labels) > FEW

    @property
    def compared(self) -> tuple[Score, ...]:
        """Accuracy, of more than ten classes top-3 accuracy, macro F1, log-loss, calibration error."""
        return (ACCURACY, *([TOP3] if self.has_top3 else []), MACRO_F1, LOG_LOSS, CALIBRATION)

    @property
    def score_header(self) -> tuple[str, ...]:
        """As `compared`, without the calibration error."""
        return (
            "accuracy",
            "95 % interval",
            *(["top-3 accuracy"] if self.has_top3 else []),
            "macro F1",
            "loss",
            "rows",
        )

    @property
    def settings(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    @property
    def decision(self) -> str:
        """The class with the largest logit."""
        return "labels[int(logits.argmax())]"

    @property
    def pipeline_answer(self) -> str:
        """The class with the highest probability."""
        return '{"label": max(scores, key=scores.get), "scores": scores}'

    @property
    def scores_caption(self) -> str | None:
        """Probabilities."""
        return "probabilities"

    @property
    def loss_of_guessing(self) -> float:
        """The cross-entropy of equal probabilities."""
        return float(np.log(len(self.labels)))

    @property
    def answers(self) -> dict[str, type]:
        """The class, and the probability of each class."""
        return {"prediction": str} | {f"probability_{label}": float for label in self.labels}

    def shaped_by(self, run: "RunArguments") -> Self:
        """The task itself; the flags of losses for other tasks are refused."""
        refuse_flags(run, self.name, pos_weight="multi_label", regression_loss="regression", ordinal_head="ordinal")
        return self

    def as_saved(self, settings: Mapping[str, Any]) -> Self:
        """The task itself."""
        return self

    def fitted(self, labels: np.ndarray) -> Self:
        """The task itself."""
        return self

    def has_labels(self, names: Sequence[str]) -> bool:
        """Whether these are the classes."""
        return sorted(names) == sorted(self.labels)

    def in_order(self, names: Sequence[str]) -> Self:
        """The same classes with other ids."""
        return replace(self, labels=tuple(names))

    def labels_in(self, names: Sequence[str], labels: np.ndarray) -> np.ndarray:
        """The ids of the same classes in the order of `names`."""
        return self._places(names)[labels]

    def predicted_in(self, names: Sequence[str], predicted: Predicted) -> Predicted:
        """The ids and the columns of the same classes in the order of `names`."""
        ids = self._places(names)
        of_classes = predicted.probabilities[:, np.argsort(ids)]
        return Predicted(ids[predicted.labels], ids[predicted.predictions], of_classes)

    def _places(self, names: Sequence[str]) -> np.ndarray:
        """(classes,) the place of each class in `names`."""
        return np.array([list(names).index(name) for name in self.labels])

    def as_text(self, labels: Iterable[int]) -> list[str]:
        """The class names of class ids."""
        return np.array(self.labels, object)[np.asarray(labels, np.int64)].tolist()

    def said(self, labels: np.ndarray) -> list[str]:
        """The class names."""
        return self.as_text(labels)

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """The classes."""
        return labels

    def absent(self, labels: np.ndarray) -> list[str]:
        """The classes without rows."""
        return [self.labels[index] for index in np.flatnonzero(self._counts(labels) == 0)]

    def counted(self, labels: np.ndarray) -> dict[str, int]:
        """The rows of each class."""
        counts = self._counts(labels)
        return {self.labels[index]: int(counts[index]) for index in np.argsort(-counts, kind="stable")}

    def _counts(self, labels: np.ndarray) -> np.ndarray:
        """(classes,) numbers of rows."""
        return np.bincount(labels, minlength=len(self.labels))

    def groups(self, labels: np.ndarray) -> np.ndarray:
        """The classes."""
        return labels

    def class_weights(self, labels: np.ndarray) -> np.ndarray:
        """(classes,): rows / (classes with rows * rows of the class), as in scikit-learn; 0 for one without rows."""
        counts = self._counts(labels)
        return np.where(counts, len(labels) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0)

    def loss(self, labels: np.ndarray, run: "RunArguments", label_smoothing: float) -> Callable[..., "Tensor"]:
        """Cross-entropy, summed over the texts of a batch and divided by the number of texts in the optimizer step.

        It is the same for custom and stock models, and for one large batch, accumulated small batches and several
        processes. The loss of a stock model is a mean per small batch, and `Trainer` adds these means
        (huggingface/transformers#47688).
        """
        import torch

        weights = torch.tensor(self.class_weights(labels), dtype=torch.float32) if run.class_weights else None

        def loss(outputs, labels: "Tensor", num_items_in_batch: "Tensor | None" = None) -> "Tensor":
            weight = None if weights is None else weights.to(outputs.logits)
            total = torch.nn.functional.cross_entropy(
                outputs.logits, labels, weight=weight, label_smoothing=label_smoothing, reduction="sum"
            )
            return total / (labels.shape[0] if num_items_in_batch is None else num_items_in_batch)

        return loss

    def distance(self, logits: "Tensor", taught: "Tensor") -> "Tensor":
        """The divergence from the probabilities of the teacher."""
        return self.divergence(taught, logits)

    def divergence(self, logits: "Tensor", others: "Tensor") -> "Tensor":
        """The Kullback-Leibler divergence of their probabilities."""
        from torch.nn import functional

        logs, other_logs = logits.float().log_softmax(-1), others.float().log_softmax(-1)
        return functional.kl_div(other_logs, logs, reduction="none", log_target=True).sum(-1)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The softmax in float32."""
        logits = np.asarray(logits, np.float32)
        powers = np.exp(logits - logits.max(-1, keepdims=True))
        return powers / powers.sum(-1, keepdims=True)

    def logits(self, probabilities: np.ndarray, smallest: float = SMALLEST) -> np.ndarray:
        """The logarithms of the probabilities; log 0 would be infinite."""
        return np.log(probabilities.clip(smallest))

    def temperatures(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The same for all classes."""
        from sentiment_hf.tasks.temperature import fitted_temperature

        # In float32 the smallest loss could not be told from those beside it.
        exact = logits.astype(np.float64)
        common = fitted_temperature(
            lambda number: len(labels) * self.evaluation_loss(self.tempered(exact, np.array([number])), labels)
        )
        return np.full(logits.shape[1], common)

    def tempered(self, logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
        """The logits, divided."""
        return logits / temperatures.astype(logits.dtype)

    def tuned(self, logits: np.ndarray, labels: np.ndarray) -> Self:
        """Nothing is chosen."""
        return self

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """The class with the largest probability; among equal ones the first class."""
        return probabilities.argmax(-1)

    def leading(self, probabilities: np.ndarray) -> int:
        """That of the predicted class."""
        return int(self.decide(probabilities))

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """1 for the predicted class, 0 for the other classes."""
        return np.eye(len(self.labels))[predictions]

    def pool_weights(self, members: Sequence[Predicted], rows: np.ndarray) -> np.ndarray:
        """Of a sum of logits, by the probabilities of the labels."""
        from sentiment_hf.tasks.pooling import odds_weights

        logits = np.stack([self.logits(one.probabilities[rows], SUREST) for one in members], axis=1)
        return odds_weights(logits, self.certain(members[0].labels[rows]))

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """True if the prediction is the label."""
        return predictions == labels

    def duel(self, a: Predicted, b: Predicted) -> tuple[int, int, float]:
        """The rows that only one has right, and the exact McNemar test."""
        from sentiment_hf.tasks.paired import mcnemar

        return mcnemar(*(self.right(one.labels, one.predictions) for one in (a, b)))

    def second_test(self, a: Predicted, b: Predicted) -> tuple[dict[str, float], float]:
        """A paired bootstrap of macro F1."""
        from sentiment_hf.tasks.paired import f1_difference

        return f1_difference(a.labels, a.predictions, b.predictions, len(self.labels))

    def sureness(self, members: Sequence[Predicted]) -> np.ndarray:
        """The mean probability of the wrong class that all members predict, as in confident learning.

        Northcutt et al. 2021.
        """
        first = members[0]
        alike = np.all([one.predictions == first.predictions for one in members], axis=0)
        mean = sum(one.probabilities for one in members) / len(members)
        return np.where(alike & (first.predictions != first.labels), probability_of(first.predictions, mean), 0)

    def remarks(self, entry: dict[str, Any]) -> list[str]:
        """The share of the most frequent class, and the class that is found least often."""
        confusion = entry["confusion"]
        rows = [sum(counts) for counts in confusion]
        found = {index: confusion[index][index] / rows[index] for index in range(len(self.labels)) if rows[index]}
        weakest = min(found, key=found.get)
        recall = f"Of its classes it finds {self.labels[weakest]} least often, {found[weakest]:.1%} of its rows"
        if len(self.labels) > 2 and found[weakest] < 1:
            wrong = {index: count for index, count in enumerate(confusion[weakest]) if index != weakest}
            recall += f", and takes most of the others for {self.labels[max(wrong, key=wrong.get)]}"
        return [f"the most frequent class has {max(rows) / sum(rows):.1%}.", f"{recall}."]

    def reliability(self, predicted: Predicted) -> tuple[np.ndarray, np.ndarray] | None:
        """The probabilities of the predictions, and whether these are right."""
        confidence = probability_of(predicted.predictions, predicted.probabilities)
        return confidence, self.right(predicted.labels, predicted.predictions)

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Accuracy, and macro precision, recall and F1."""
        from sentiment_hf.tasks.metrics import ClassificationScores

        # Logits are exact: two of them may differ where their probabilities in float32 do not.
        return ClassificationScores().compute(
            predictions=logits.argmax(-1), references=labels, num_labels=logits.shape[-1]
        )

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The cross-entropy, natural logarithm."""
        from sentiment_hf.tasks.metrics import cross_entropy

        return cross_entropy(logits, labels)

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Accuracy with its interval, macro scores, loss, scores of each class, confusion matrix."""
        from sentiment_hf.tasks.metrics import full_scores

        loss = self.evaluation_loss(logits, labels)
        more = {"top3_accuracy": float(top3_terms(labels, logits).mean())} if self.has_top3 else {}
        return full_scores(logits.argmax(-1), labels, loss, self.labels) | more

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """The confusion matrix (a row per true class), and precision, recall, F1 and rows of each class."""
        from sentiment_hf.tasks.metrics import scores_by_class

        confusion = confusion_counts(predicted.labels, predicted.predictions, len(self.labels))
        return {
            "confusion": confusion.tolist(),
            "per_class": scores_by_class(predicted.predictions, predicted.labels, self.labels),
        }

    def against(self, predicted: Predicted) -> np.ndarray:
        """1 minus the probability of the label."""
        return 1 - probability_of(predicted.labels, predicted.probabilities)

    def sets(self, probabilities: np.ndarray, largest: np.ndarray) -> np.ndarray:
        """(rows, classes) whether a class is in the set of a text; a set may have none or all."""
        return 1 - probabilities.astype(np.float64) <= largest

    def set_columns(self, probabilities: np.ndarray, largest: np.ndarray) -> dict[str, list]:
        """The classes with a bar between them, and whether they are not exactly one."""
        sets = self.sets(probabilities, largest)
        return {
            "set": [BETWEEN.join(itertools.compress(self.labels, row)) for row in sets],
            "abstained": (sets.sum(1) != 1).tolist(),
        }

    def set_objects(self, probabilities: np.ndarray, largest: np.ndarray) -> list[dict[str, Any]]:
        """{"set": names, "abstained": whether they are not exactly one}"""
        sets = self.sets(probabilities, largest)
        return [{"set": list(itertools.compress(self.labels, row)), "abstained": bool(row.sum() != 1)} for row in sets]

    def set_scores(self, predicted: Predicted, largest: np.ndarray) -> dict[str, float]:
        """Coverage, mean number of classes, share of rows without exactly one, and the accuracy on the others."""
        sets = self.sets(predicted.probabilities, largest)
        one = sets.sum(1) == 1
        right = self.right(predicted.labels, predicted.predictions)[one]
        return {
            "coverage": float(sets[np.arange(len(sets)), predicted.labels].mean()),
            "mean_size": float(sets.sum(1).mean()),
            "abstained": float(1 - one.mean()),
            "accuracy_of_others": float(right.mean()) if len(right) else None,
        }

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """label, prediction (int16), and the probability of each class (float16)."""
        probabilities = self.probabilities(logits).astype(np.float16)
        return {"label": labels.astype(np.int16), "prediction": logits.argmax(-1).astype(np.int16)} | {
            f"probability_{name}": probabilities[:, index] for index, name in enumerate(self.labels)
        }

    def predicted(self, table: "pa.Table") -> Predicted:
        """Labels, predictions, and the probabilities as rounded to float16."""
        probabilities = [table[f"probability_{name}"].to_numpy() for name in self.labels]
        labels, predictions = (table[name].to_numpy().astype(np.int64) for name in ("label", "prediction"))
        return Predicted(labels, predictions, np.stack(probabilities, axis=1).astype(np.float64))

    def rescaled(self, predicted: Predicted) -> Predicted:
        """With probabilities that sum to 1 in each row."""
        sums = predicted.probabilities.sum(1, keepdims=True)
        return replace(predicted, probabilities=predicted.probabilities / sums)

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

    def answer_columns(self, probabilities: np.ndarray) -> dict[str, list]:
        """The class, and the probability of each class with six decimals."""
        of_classes = np.round(probabilities, 6).T.tolist()
        return {"prediction": self.as_text(self.decide(probabilities))} | {
            f"probability_{label}": column for label, column in zip(self.labels, of_classes, strict=True)
        }

    def shown(self, probabilities: np.ndarray) -> list[tuple[str, ...]]:
        """The class, and all probabilities with four decimals."""
        predictions = self.as_text(self.decide(probabilities))
        return list(zip(predictions, named_probabilities(self.labels, probabilities), strict=True))

    def as_objects(self, probabilities: np.ndarray) -> list[dict[str, Any]]:
        """{"label": name, "score": its probability, "scores": {name: probability}}"""
        predictions = self.as_text(self.decide(probabilities))
        rows = [dict(zip(self.labels, row, strict=True)) for row in probabilities.tolist()]
        return [
            {"label": label, "score": row[label], "scores": row} for label, row in zip(predictions, rows, strict=True)
        ]

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
        more = [f"{scores['top3_accuracy']:.2%}"] if self.has_top3 and "top3_accuracy" in scores else []
        rates = (f"{scores['accuracy']:.2%}", f"{low:.2%} to {high:.2%}", *more, f"{scores['f1_macro']:.2%}")
        return (*rates, f"{scores['loss']:.4f}", f"{scores['rows']:,}")

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """Precision, recall and F1 of each class, and the confusion matrix."""
        class_lines = [
            (name, *(f"{one[key]:.2%}" for key in ("precision", "recall", "f1")), f"{one['rows']:,}")
            for name, one in by_support(scores["per_class"])
        ]
        title = "On test, class by class:"
        if len(class_lines) > SHOWN:
            title = f"On test, the {SHOWN} of {len(class_lines)} classes with most rows:"
        header = ("class", "precision", "recall", "F1", "rows")
        return [Details(title, header, class_lines[:SHOWN]), self._confused(scores["confusion"])]

    def _confused(self, confusion: list[list[int]]) -> Details:
        """The confusion matrix or, of many classes, what is most often taken for what."""
        if len(self.labels) > READABLE:
            title = "Classes of test that are most often taken for another one:"
            return Details(title, ("class", "taken for", "rows"), worst_pairs(confusion, self.labels))
        counts = [(name, *row) for name, row in zip(self.labels, confusion, strict=True)]
        return Details("Rows of test by true class (down) and prediction (across):", ("", *self.labels), counts)


def by_support(per_class: Mapping[str, dict]) -> list[tuple[str, dict]]:
    """The scores by class; of more classes than a matrix shows, those with most rows first."""
    found = list(per_class.items())
    return found if len(found) <= READABLE else sorted(found, key=lambda pair: -pair[1]["rows"])


def worst_pairs(confusion: Sequence[Sequence[int]], labels: Sequence[str]) -> list[tuple[str, str, int]]:
    """(true class, class that it is taken for, rows) of the 20 most frequent confusions."""
    counts = np.array(confusion)
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:WORST]
    pairs = zip(*np.unravel_index(order, counts.shape), strict=True)
    return [(labels[true], labels[other], int(counts[true, other])) for true, other in pairs if counts[true, other]]


def refuse_unknown_classes(column: LabelColumn, names: Sequence[str], known: set[str], split: str) -> None:
    """Raise InputError if a name of the `distinct` cells is not a class of train (`known`)."""
    for row, name in zip(column.distinct.first_rows, names, strict=True):
        if name not in known:
            raise InputError(
                f"{column.place(row)}: the class {name!r} stands in {split} but in no row of train, so it cannot be "
                f"learned. Classes of train: {', '.join(sorted(known))}"
            )

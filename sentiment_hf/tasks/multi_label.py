"""`MultiLabel`: a text has any number of several labels, none among them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sentiment_hf.tasks.label_sets import read_written, written
from sentiment_hf.tasks.multi_label_terms import (
    binary_log_loss_terms,
    calibration_error_terms,
    macro_f1_terms,
    micro_f1_terms,
    sample_f1_terms,
    subset_terms,
)
from sentiment_hf.tasks.refusals import refuse_flags
from sentiment_hf.tasks.single_label import named_probabilities
from sentiment_hf.tasks.task import Details, Predicted, Score
from sentiment_hf.tasks.terms import SMALLEST, SUREST

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from sentiment_hf.settings.arguments import RunArguments

# The threshold of a label of which validation says nothing, and of the models of others.
USUAL = 0.5

SUBSET_ACCURACY = Score(
    "subset_accuracy",
    "subset accuracy",
    lambda one: subset_terms(one.labels, one.predictions),
    sentence="{value} of {rows} test rows with all labels right",
)
MACRO_F1 = Score("f1_macro", "macro F1", lambda one: macro_f1_terms(one.labels, one.predictions))
MICRO_F1 = Score("f1_micro", "micro F1", lambda one: micro_f1_terms(one.labels, one.predictions))
SAMPLE_F1 = Score("f1_samples", "sample F1", lambda one: sample_f1_terms(one.labels, one.predictions))
LOG_LOSS = Score(
    "log_loss",
    "log-loss",
    lambda one: binary_log_loss_terms(one.labels, one.probabilities),
    share=False,
    unit="nats",
    more_is_better=False,
)
CALIBRATION = Score(
    "calibration_error",
    "calibration error",
    lambda one: calibration_error_terms(one.labels, one.probabilities),
    share=False,
    more_is_better=False,
)


@dataclass(frozen=True)
class MultiLabel:
    """The task with these labels, in the order of their ids. `Task` says what each method is for.

    Labels and predictions are (rows, labels) truth values. Each probability is independent of the others.

    thresholds: the least probability with which a text gets each label. None until `tuned` has chosen them on
        validation: then the scores that are logged are those of the thresholds that are best on the same rows.
    """

    labels: tuple[str, ...]
    thresholds: tuple[float, ...] | None = field(default=None, compare=False)

    name: ClassVar[str] = "multi_label"
    problem_type: ClassVar[str] = "multi_label_classification"
    ranking: ClassVar[Score] = SUBSET_ACCURACY
    compared: ClassVar[tuple[Score, ...]] = (SUBSET_ACCURACY, MACRO_F1, MICRO_F1, SAMPLE_F1, LOG_LOSS, CALIBRATION)
    second: ClassVar[Score] = MACRO_F1
    exact: ClassVar[str] = "mcnemar"
    duel_name: ClassVar[str] = "the exact McNemar test"
    metrics: ClassVar[tuple[str, ...]] = ("subset_accuracy", "f1_macro", "f1_micro", "f1_samples", "loss")
    chosen_by: ClassVar[str] = "f1_macro"
    falling: ClassVar[frozenset[str]] = frozenset({"loss"})
    tunes: ClassVar[bool] = True
    calibrates: ClassVar[bool] = True
    has_sets: ClassVar[bool] = False
    votes: ClassVar[bool] = True
    needs_all: ClassVar[bool] = False
    sure: ClassVar[float] = 0.9
    sure_name: ClassVar[str] = "mean probability"
    purpose: ClassVar[str] = "It finds which of {count} labels a text has, none or several: {labels}."
    hub_type: ClassVar[str] = "text-classification"
    hub_scores: ClassVar[tuple[tuple[str, str], ...]] = (
        ("subset_accuracy", "Subset accuracy"),
        ("f1_macro", "Macro F1"),
        ("f1_micro", "Micro F1"),
        ("loss", "Loss"),
    )
    hub_metrics: ClassVar[tuple[str, ...]] = ("accuracy", "f1")
    pipeline_arguments: ClassVar[str] = ", top_k=None"
    pipeline_note: ClassVar[str] = (
        "`pipeline()` gives each label its own probability and does not know from which on a text has the label: the "
        "thresholds stand below, and in `config.task_settings`. `sentiment-hf predict` knows them."
    )
    score_header: ClassVar[tuple[str, ...]] = (
        *("subset accuracy", "95 % interval", "macro F1", "micro F1", "sample F1", "loss", "rows"),
    )

    @property
    def settings(self) -> dict[str, Any]:
        """The thresholds."""
        return {} if self.thresholds is None else {"thresholds": list(self.thresholds)}

    @property
    def least(self) -> np.ndarray:
        """(labels,) the thresholds in use."""
        return np.full(len(self.labels), USUAL) if self.thresholds is None else np.array(self.thresholds)

    @property
    def decision(self) -> str:
        """The labels that reach their thresholds."""
        return f"[label for label, p, t in zip(labels, logits.sigmoid()[0].tolist(), {self.least.tolist()}) if p >= t]"

    @property
    def pipeline_answer(self) -> str:
        """The labels that reach their thresholds."""
        least = dict(zip(self.labels, self.least.tolist(), strict=True))
        return (
            f'{{"labels": [label for label, least in {least!r}.items() if scores[label] >= least], "scores": scores}}'
        )

    @property
    def scores_caption(self) -> str | None:
        """Probabilities, and the thresholds."""
        least = ", ".join(f"{label} {p:.2f}" for label, p in zip(self.labels, self.least, strict=True))
        return f"probabilities; a text has a label from: {least}"

    @property
    def loss_of_guessing(self) -> float:
        """The cross-entropy of a coin for each label."""
        return float(np.log(2))

    @property
    def answers(self) -> dict[str, type]:
        """The labels, and the probability of each."""
        return {"prediction": str} | {f"probability_{label}": float for label in self.labels}

    def shaped_by(self, run: "RunArguments") -> Self:
        """The task itself; the flags of losses for other tasks are refused."""
        refuse_flags(
            run, self.name, class_weights="single_label", regression_loss="regression", ordinal_head="ordinal"
        )
        return self

    def as_saved(self, settings: Mapping[str, Any]) -> Self:
        """With the saved thresholds, else the usual ones: those of the scored rows themselves would flatter."""
        return replace(self, thresholds=tuple(settings.get("thresholds") or (USUAL,) * len(self.labels)))

    def fitted(self, labels: np.ndarray) -> Self:
        """The task itself."""
        return self

    def has_labels(self, names: Sequence[str]) -> bool:
        """Whether these are the labels."""
        return sorted(names) == sorted(self.labels)

    def in_order(self, names: Sequence[str]) -> Self:
        """The same labels with other ids."""
        places = self._places(names)
        thresholds = None if self.thresholds is None else tuple(self.thresholds[place] for place in places)
        return replace(self, labels=tuple(names), thresholds=thresholds)

    def labels_in(self, names: Sequence[str], labels: np.ndarray) -> np.ndarray:
        """The columns of the same labels in the order of `names`."""
        return labels[:, self._places(names)]

    def predicted_in(self, names: Sequence[str], predicted: Predicted) -> Predicted:
        """The columns of the same labels in the order of `names`."""
        places = self._places(names)
        return Predicted(
            predicted.labels[:, places], predicted.predictions[:, places], predicted.probabilities[:, places]
        )

    def _places(self, names: Sequence[str]) -> list[int]:
        """The place of each of `names` in `labels`."""
        return [self.labels.index(name) for name in names]

    def as_text(self, labels: Iterable) -> list[str]:
        """The names of the labels of each row with | between them; "" for none."""
        return list(written(self.labels, np.asarray(labels, bool)))

    def said(self, labels: np.ndarray) -> list[str]:
        """The names of the labels, or that there are none."""
        return [text or "no label" for text in self.as_text(labels)]

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """The rarest label of each row, so that a part that is taken has its share of rare ones; 0 for none."""
        rarest_first = np.argsort(labels.sum(0), kind="stable")
        return np.where(labels.any(1), 1 + rarest_first[labels[:, rarest_first].argmax(1)], 0)

    def absent(self, labels: np.ndarray) -> list[str]:
        """The labels that no row has."""
        return [self.labels[index] for index in np.flatnonzero(~labels.any(0))]

    def counted(self, labels: np.ndarray) -> dict[str, int]:
        """The rows with each label, and those without any."""
        counts = labels.sum(0)
        found = {self.labels[index]: int(counts[index]) for index in np.argsort(-counts, kind="stable")}
        return found | {"no label": int((~labels.any(1)).sum())}

    def groups(self, labels: np.ndarray) -> np.ndarray:
        """The truth values."""
        return labels

    def loss(self, labels: np.ndarray, run: "RunArguments", label_smoothing: float) -> Callable[..., "Tensor"]:
        """Binary cross-entropy, summed over texts and labels, and divided by their number in the optimizer step.

        The library's own loss is a mean per small batch, so that its gradient would grow with
        --gradient_accumulation_steps. With --pos_weight balanced a text that has a label counts as much for it as all
        that lack it, in sum.
        """
        import torch

        found = np.maximum(labels.sum(0), 1)
        weights = torch.tensor((len(labels) - found) / found).float() if run.pos_weight == "balanced" else None

        def loss(outputs, labels: "Tensor", num_items_in_batch: "Tensor | None" = None) -> "Tensor":
            logits = outputs.logits
            wanted = labels.to(logits.dtype) * (1 - label_smoothing) + label_smoothing / 2
            total = torch.nn.functional.binary_cross_entropy_with_logits(
                logits, wanted, pos_weight=None if weights is None else weights.to(logits), reduction="sum"
            )
            return total / (labels.numel() if num_items_in_batch is None else num_items_in_batch)

        return loss

    def distance(self, logits: "Tensor", taught: "Tensor") -> "Tensor":
        """The divergence from the probabilities of the teacher."""
        return self.divergence(taught, logits)

    def divergence(self, logits: "Tensor", others: "Tensor") -> "Tensor":
        """The sum over the labels of the Kullback-Leibler divergences of having or not having each."""
        from torch.nn import functional

        logits, others = logits.float(), others.float()
        gap = 0
        for sign in (1, -1):
            logs = functional.logsigmoid(sign * logits)
            gap = gap + logs.exp() * (logs - functional.logsigmoid(sign * others))
        return gap.sum(-1)

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The sigmoid in float32."""
        return np.exp(-np.logaddexp(np.float32(0), -np.asarray(logits, np.float32)))

    def logits(self, probabilities: np.ndarray, smallest: float = SMALLEST) -> np.ndarray:
        """The logarithms of the odds; those of 0 and 1 would be infinite."""
        inner = probabilities.clip(smallest, 1 - max(smallest, np.finfo(np.float64).epsneg))
        return np.log(inner) - np.log1p(-inner)

    def temperatures(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """One for each label."""
        from sentiment_hf.tasks.temperature import fitted_temperature

        exact = logits.astype(np.float64)

        def loss(label: slice, number: float) -> float:
            return len(labels) * self.evaluation_loss(exact[:, label] / number, labels[:, label])

        return np.array([fitted_temperature(partial(loss, slice(n, n + 1))) for n in range(logits.shape[1])])

    def tempered(self, logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
        """The logits, divided."""
        return logits / temperatures.astype(logits.dtype)

    def tuned(self, logits: np.ndarray, labels: np.ndarray) -> Self:
        """With the threshold of each label that gives the largest F1 on these rows."""
        probabilities = self.probabilities(logits)
        chosen = [best_threshold(p, label) for p, label in zip(probabilities.T, labels.T, strict=True)]
        return replace(self, thresholds=tuple(chosen))

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """The labels whose probabilities reach their thresholds."""
        return probabilities >= self.least

    def leading(self, probabilities: np.ndarray) -> int:
        """That of the most probable label."""
        return int(probabilities.argmax())

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """1 for each predicted label, 0 for the others."""
        return predictions.astype(np.float64)

    def pool_weights(self, members: Sequence[Predicted], rows: np.ndarray) -> np.ndarray:
        """Of a sum of log-odds, by the probabilities of having or not having each label, which counts as a row."""
        from sentiment_hf.tasks.pooling import odds_weights

        odds = np.stack([self.logits(one.probabilities[rows], SUREST).ravel() for one in members], axis=1)
        has = members[0].labels[rows].ravel()
        return odds_weights(np.stack([odds, np.zeros_like(odds)], axis=2), np.stack([has, ~has], axis=1))

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """True if all labels of a row are right."""
        return (predictions == labels).all(-1)

    def duel(self, a: Predicted, b: Predicted) -> tuple[int, int, float]:
        """The rows of which only one has all labels right, and the exact McNemar test."""
        from sentiment_hf.tasks.paired import mcnemar

        return mcnemar(*(self.right(one.labels, one.predictions) for one in (a, b)))

    def second_test(self, a: Predicted, b: Predicted) -> tuple[dict[str, float], float]:
        """The paired test of macro F1, to first order over rows."""
        from sentiment_hf.tasks.paired import terms_difference

        return terms_difference(MACRO_F1.terms(a), MACRO_F1.terms(b))

    def sureness(self, members: Sequence[Predicted]) -> np.ndarray:
        """The mean probability that the labels on which all members contradict a row are as they say: the least."""
        first = members[0]
        alike = np.all([self.right(one.predictions, first.predictions) for one in members], axis=0)
        wrong = first.predictions != first.labels
        mean = sum(one.probabilities for one in members) / len(members)
        least = np.where(wrong, np.where(first.predictions, mean, 1 - mean), 1).min(1)
        return np.where(alike & wrong.any(1), least, 0)

    def remarks(self, entry: dict[str, Any]) -> list[str]:
        """The label with the least F1."""
        weakest = min(entry["per_class"], key=lambda name: entry["per_class"][name]["f1"])
        one = entry["per_class"][weakest]
        return [
            f"its macro F1 is {entry['f1_macro']['value']:.1%}.",
            f"Of its labels {weakest} has the least F1, {one['f1']:.1%} (precision {one['precision']:.1%}, recall "
            f"{one['recall']:.1%}, {one['rows']:,} rows).",
        ]

    def reliability(self, predicted: Predicted) -> tuple[np.ndarray, np.ndarray] | None:
        """The probabilities of all labels, and whether the rows have them."""
        return predicted.probabilities.ravel(), predicted.labels.ravel()

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Subset accuracy, and macro, micro and sample F1."""
        from sentiment_hf.tasks.multi_label_metrics import rates

        task = self if self.thresholds else self.tuned(logits, labels)
        return rates(labels.astype(bool), task.decide(task.probabilities(logits)))

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The mean binary cross-entropy over rows and labels, natural logarithm."""
        from sentiment_hf.tasks.multi_label_metrics import binary_cross_entropy

        return binary_cross_entropy(logits, labels)

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """F1 in three ways, subset accuracy with its interval, loss, and the scores of each label."""
        from sentiment_hf.tasks.multi_label_metrics import full_scores

        probabilities = self.probabilities(logits)
        loss = self.evaluation_loss(logits, labels)
        return full_scores(labels.astype(bool), probabilities, self.decide(probabilities), self.least, self.labels) | {
            "loss": loss
        }

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """Precision, recall, F1, average precision, rows and confusion of each label."""
        from sentiment_hf.tasks.multi_label_metrics import scores_by_label

        return {
            "per_class": scores_by_label(
                predicted.labels, predicted.probabilities, predicted.predictions, self.least, self.labels
            )
        }

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """label and prediction (lists of int16), and the probability of each label (float16)."""
        probabilities = self.probabilities(logits)
        members = {"label": labels.astype(bool), "prediction": self.decide(probabilities)}
        rounded = probabilities.astype(np.float16)
        return {name: [np.flatnonzero(row).astype(np.int16) for row in rows] for name, rows in members.items()} | {
            f"probability_{name}": rounded[:, index] for index, name in enumerate(self.labels)
        }

    def predicted(self, table: "pa.Table") -> Predicted:
        """Labels, predictions, and the probabilities as rounded to float16."""
        probabilities = [table[f"probability_{name}"].to_numpy() for name in self.labels]
        labels, predictions = (self._members(table[name].to_pylist()) for name in ("label", "prediction"))
        return Predicted(labels, predictions, np.stack(probabilities, axis=1).astype(np.float64))

    def _members(self, ids: Sequence[Sequence[int]]) -> np.ndarray:
        """(rows, labels) truth values from the ids of the labels of each row."""
        members = np.zeros((len(ids), len(self.labels)), dtype=bool)
        for row, found in enumerate(ids):
            members[row, found] = True
        return members

    def rescaled(self, predicted: Predicted) -> Predicted:
        """As saved: each probability is rounded by itself."""
        return predicted

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, labels) probabilities; one that rounding moved to the other side of its threshold is moved back."""
        saved = predicted.probabilities.astype(np.float32)
        least = self.least.astype(np.float32)
        least = np.where(least >= self.least, least, np.nextafter(least, np.float32(1)))
        below = np.nextafter(least, np.float32(0))
        return np.where(predicted.predictions, np.maximum(saved, least), np.minimum(saved, below))

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """The labels of the texts, and the float16 probabilities that the run saved."""
        probabilities = logs.astype(np.float16).astype(np.float64)
        return Predicted(read_written(self.labels, labels), self.decide(logs), probabilities)

    def answer_columns(self, probabilities: np.ndarray) -> dict[str, list]:
        """The labels with | between them, and the probability of each with six decimals."""
        predictions = self.as_text(self.decide(probabilities))
        return dict(zip(self.answers, [predictions, *np.round(probabilities, 6).T.tolist()], strict=True))

    def shown(self, probabilities: np.ndarray) -> list[tuple[str, ...]]:
        """The labels, and all probabilities with four decimals."""
        predictions = self.as_text(self.decide(probabilities))
        return list(zip(predictions, named_probabilities(self.labels, probabilities), strict=True))

    def as_objects(self, probabilities: np.ndarray) -> list[dict[str, Any]]:
        """{"labels": [name, ...], "scores": {name: probability}}"""
        chosen = [[self.labels[i] for i in np.flatnonzero(row)] for row in self.decide(probabilities)]
        rows = [dict(zip(self.labels, row, strict=True)) for row in probabilities.tolist()]
        return [{"labels": labels, "scores": row} for labels, row in zip(chosen, rows, strict=True)]

    def summary(self, scores: dict[str, Any]) -> str:
        """Subset accuracy with its interval, F1 in three ways, loss, number of rows; rates in percent."""
        low, high = scores["subset_accuracy_interval"]
        return (
            f"subset accuracy {scores['subset_accuracy']:.2%} (95 % interval {low:.2%} to {high:.2%}), F1 macro "
            f"{scores['f1_macro']:.2%}, micro {scores['f1_micro']:.2%}, samples {scores['f1_samples']:.2%}, loss "
            f"{scores['loss']:.4f}, {scores['rows']:,} rows"
        )

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """Rates in percent, the loss in nats."""
        low, high = scores["subset_accuracy_interval"]
        f1 = (f"{scores[f'f1_{how}']:.2%}" for how in ("macro", "micro", "samples"))
        interval = f"{low:.2%} to {high:.2%}"
        return (f"{scores['subset_accuracy']:.2%}", interval, *f1, f"{scores['loss']:.4f}", f"{scores['rows']:,}")

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """Threshold, precision, recall, F1, average precision and rows of each label."""
        lines = [
            (name, f"{one['threshold']:.3f}", *(rate(one[key]) for key in RATES), f"{one['rows']:,}")
            for name, one in scores["per_class"].items()
        ]
        header = ("label", "threshold", "precision", "recall", "F1", "average precision", "rows")
        title = "On test, label by label. Thresholds were chosen on validation, each for the F1 of its label:"
        return [Details(title, header, lines)]


RATES = ("precision", "recall", "f1", "average_precision")


def rate(value: float | None) -> str:
    """A rate in percent; a dash if it is not defined."""
    return "–" if value is None else f"{value:.2%}"


def best_threshold(probabilities: np.ndarray, label: np.ndarray) -> float:
    """The least probability, of (rows,), from which on calling the (rows,) label true gives the largest F1.

    It lies halfway between two probabilities that occur, so that rounding moves no row of validation over it. Of
    thresholds with the same F1 it is the highest. 0.5 if no row has the label.
    """
    if not label.any():
        return USUAL
    order = np.argsort(-probabilities, kind="stable")
    ranked, hits = probabilities[order].astype(np.float64), np.cumsum(label[order])
    # A threshold can only lie where the next probability is another one.
    ends = np.append(np.flatnonzero(np.diff(ranked)), len(ranked) - 1)
    f1 = 2 * hits[ends] / (ends + 1 + label.sum())
    end = ends[f1.argmax()]
    return float((ranked[end] + (ranked[end + 1] if end + 1 < len(ranked) else 0)) / 2)

"""`Regression`: a text has a number."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.number_column import read_numbers
from sentiment_hf.tasks.numeric_terms import (
    absolute_error_terms,
    determination_terms,
    rank_correlation_terms,
    root_mean_square_terms,
    with_interval,
)
from sentiment_hf.tasks.refusals import refuse_flags
from sentiment_hf.tasks.task import Details, Predicted, Score

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from sentiment_hf.settings.arguments import RunArguments

# Parts are taken with equal shares of this many ranges of the numbers, with about as many rows each.
RANGES = 10

# Rows in the scatter plot of a page, and ranges in its histogram of errors.
SCATTERED, BARS = 1000, 40


def numeric(terms: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[Predicted], np.ndarray]:
    """The terms of predictions, from a function of labels and predicted numbers."""
    return lambda predicted: terms(predicted.labels, predicted.predictions)


RMSE = Score("rmse", "RMSE", numeric(root_mean_square_terms), share=False, unit="", more_is_better=False)
MAE = Score("mae", "MAE", numeric(absolute_error_terms), share=False, unit="", more_is_better=False)
R2 = Score("r2", "R²", numeric(determination_terms), share=False, unit="", least=-np.inf)
SPEARMAN = Score("spearman", "Spearman", numeric(rank_correlation_terms), share=False, unit="", least=-1)


@dataclass(frozen=True)
class Regression:
    """The task with one number, in the unit of the data. `Task` says what each method is for.

    Labels and predictions are (rows,) float64. The only output of a model, which takes the place of logits and
    probabilities, is the number itself.

    labels: the name of the label column.
    mean, scale: of the labels of train. The loss is that of (number - mean) / scale.
    error: squared, absolute or huber, by --regression_loss.
    """

    labels: tuple[str, ...]
    mean: float = field(default=0.0, compare=False)
    scale: float = field(default=1.0, compare=False)
    error: str = field(default="squared", compare=False)

    name: ClassVar[str] = "regression"
    problem_type: ClassVar[str] = "regression"
    ranking: ClassVar[Score] = RMSE
    compared: ClassVar[tuple[Score, ...]] = (RMSE, MAE, R2, SPEARMAN)
    second: ClassVar[Score] = MAE
    exact: ClassVar[str] = "paired"
    duel_name: ClassVar[str] = "the paired test of squared errors"
    metrics: ClassVar[tuple[str, ...]] = ("rmse", "mae", "r2", "spearman", "loss")
    chosen_by: ClassVar[str] = "rmse"
    falling: ClassVar[frozenset[str]] = frozenset({"rmse", "mae", "loss"})
    tunes: ClassVar[bool] = False
    calibrates: ClassVar[bool] = False
    has_sets: ClassVar[bool] = True
    set_answers: ClassVar[dict[str, type]] = {"low": float, "high": float}
    votes: ClassVar[bool] = False
    needs_all: ClassVar[bool] = False
    sure: ClassVar[float] = 0.0
    sure_name: ClassVar[str] = "least error"
    purpose: ClassVar[str] = "It gives a text a number: {labels}."
    hub_type: ClassVar[str] = "text-classification"
    hub_scores: ClassVar[tuple[tuple[str, str], ...]] = (("rmse", "RMSE"), ("mae", "MAE"), ("r2", "R2"))
    hub_metrics: ClassVar[tuple[str, ...]] = ("rmse", "mae")
    pipeline_arguments: ClassVar[str] = ""
    pipeline_note: ClassVar[str] = "What `pipeline()` calls the score is the number, in the unit of the data."
    score_header: ClassVar[tuple[str, ...]] = ("RMSE", "95 % interval", "MAE", "R²", "Spearman", "rows")

    @classmethod
    def read(cls, columns: Mapping[str, Sequence[LabelColumn]]) -> tuple[Self, dict[str, np.ndarray]]:
        """The task of the column, and the numbers of the rows, by split. Raises InputError as `read_numbers`."""
        return cls((columns["train"][0].name,)), read_numbers(columns)

    @property
    def settings(self) -> dict[str, Any]:
        """Mean and scale of the labels of train, and the kind of error that was made small."""
        return {"mean": self.mean, "scale": self.scale, "error": self.error}

    @property
    def decision(self) -> str:
        """The number."""
        return "float(logits[0, 0])"

    @property
    def pipeline_answer(self) -> str:
        """The number, which `pipeline()` calls a score."""
        return '{"value": max(scores.values())}'

    @property
    def scores_caption(self) -> str | None:
        """None: the number is all."""
        return None

    @property
    def loss_of_guessing(self) -> float:
        """The squared error of the mean of train."""
        return 1.0

    @property
    def answers(self) -> dict[str, type]:
        """The number."""
        return {"prediction": float}

    def shaped_by(self, run: "RunArguments") -> Self:
        """With the error of --regression_loss; the flags of losses for other tasks are refused."""
        refuse_flags(run, self.name, class_weights="single_label", pos_weight="multi_label", ordinal_head="ordinal")
        return replace(self, error=run.regression_loss or "squared")

    def as_saved(self, settings: Mapping[str, Any]) -> Self:
        """With the saved mean, scale and error; without them, as of the models of others, those of the data."""
        return replace(self, **settings)

    def fitted(self, labels: np.ndarray) -> Self:
        """With mean and standard deviation of these numbers; numbers that are all alike have the scale 1."""
        return replace(self, mean=float(labels.mean()), scale=float(labels.std()) or 1.0)

    def has_labels(self, names: Sequence[str]) -> bool:
        """Whether there is one number; what it is called does not matter."""
        return len(names) == 1

    def in_order(self, names: Sequence[str]) -> Self:
        """The same number by another name."""
        return replace(self, labels=tuple(names))

    def labels_in(self, names: Sequence[str], labels: np.ndarray) -> np.ndarray:
        """The same numbers."""
        return labels

    def predicted_in(self, names: Sequence[str], predicted: Predicted) -> Predicted:
        """The same predictions."""
        return predicted

    def as_text(self, labels: Iterable[float]) -> list[str]:
        """The shortest decimal digits of each number, from which it can be read again."""
        return [np.format_float_positional(value, trim="-") for value in np.asarray(labels)]

    def said(self, labels: np.ndarray) -> list[str]:
        """The numbers with six significant digits."""
        return [f"{value:.6g}" for value in labels.tolist()]

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """The range of each number, of ten with about as many rows."""
        bounds = np.quantile(labels, np.arange(1, RANGES) / RANGES)
        return np.unique(np.searchsorted(bounds, labels), return_inverse=True)[1]

    def absent(self, labels: np.ndarray) -> list[str]:
        """Nothing: a number between others can be predicted though no row has it."""
        return []

    def counted(self, labels: np.ndarray) -> dict[str, int]:
        """All rows, with their range."""
        if not len(labels):
            return {}
        return {f"{labels.min():g} to {labels.max():g}, mean {labels.mean():.4g}": len(labels)}

    def groups(self, labels: np.ndarray) -> np.ndarray:
        """1 for a number above the mean of train, else 0."""
        return (labels > self.mean).astype(np.int64)

    def loss(self, labels: np.ndarray, run: "RunArguments", label_smoothing: float) -> Callable[..., "Tensor"]:
        """The error of (number - mean) / scale, summed over a batch and divided by the texts of the optimizer step.

        The library's own loss is a mean per small batch, so that its gradient would grow with
        --gradient_accumulation_steps. An error of several scales counts by its size and not by its square with
        `huber` (Huber 1964, with delta 1).
        """
        import torch

        functional = torch.nn.functional
        error = {"squared": functional.mse_loss, "absolute": functional.l1_loss, "huber": functional.huber_loss}
        scale = self.scale

        def loss(outputs, labels: "Tensor", num_items_in_batch: "Tensor | None" = None) -> "Tensor":
            values = outputs.logits.squeeze(-1).float() / scale
            total = error[self.error](values, labels.to(values.dtype) / scale, reduction="sum")
            return total / (labels.shape[0] if num_items_in_batch is None else num_items_in_batch)

        return loss

    def distance(self, logits: "Tensor", taught: "Tensor") -> "Tensor":
        """The square in units of the scale."""
        return ((logits.float() - taught) / self.scale).square().squeeze(-1)

    def divergence(self, logits: "Tensor", others: "Tensor") -> "Tensor":
        """That of normal distributions with the standard deviation of the numbers: half the squared difference."""
        return self.distance(logits, others) / 2

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The numbers, in float32."""
        return np.asarray(logits, np.float32)

    def logits(self, probabilities: np.ndarray, smallest: float = 0) -> np.ndarray:
        """The numbers."""
        return probabilities

    def temperatures(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """A number has no probability."""
        raise NotImplementedError

    def tempered(self, logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
        """As `temperatures`."""
        raise NotImplementedError

    def tuned(self, logits: np.ndarray, labels: np.ndarray) -> Self:
        """Nothing is chosen."""
        return self

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """The numbers as (..., rows) float64."""
        return probabilities[..., 0].astype(np.float64)

    def leading(self, probabilities: np.ndarray) -> int:
        """The only one."""
        return 0

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """Numbers cannot be votes."""
        raise NotImplementedError

    def pool_weights(self, members: Sequence[Predicted], rows: np.ndarray) -> np.ndarray:
        """By the squared error."""
        from sentiment_hf.tasks.pooling import squared_error_weights

        values = np.stack([one.predictions[rows] for one in members], axis=1)
        return squared_error_weights(values, members[0].labels[rows])

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """A number is nearer or farther, and not right."""
        raise NotImplementedError

    def duel(self, a: Predicted, b: Predicted) -> tuple[int, int, float]:
        """The rows on which each is nearer, and the paired test of the squared errors."""
        from sentiment_hf.tasks.paired import mean_difference

        errors = [absolute_error_terms(one.labels, one.predictions) for one in (a, b)]
        nearer = int((errors[0] < errors[1]).sum()), int((errors[1] < errors[0]).sum())
        return (*nearer, mean_difference(errors[0] ** 2, errors[1] ** 2))

    def second_test(self, a: Predicted, b: Predicted) -> tuple[dict[str, float], float]:
        """The paired test of the absolute errors."""
        from sentiment_hf.tasks.paired import terms_difference

        return terms_difference(MAE.terms(a), MAE.terms(b))

    def sureness(self, members: Sequence[Predicted]) -> np.ndarray:
        """The least error of the members, where all are above the number of the row or all are below it."""
        errors = np.stack([one.predictions - one.labels for one in members])
        return np.where((errors > 0).all(0) | (errors < 0).all(0), np.abs(errors).min(0), 0)

    def remarks(self, entry: dict[str, Any]) -> list[str]:
        """The share of the variance that is explained, and the typical error."""
        return [
            f"R² is {entry['r2']['value']:.3f}, and the mean of the test rows would have 0.",
            f"Its mean error is {entry['mae']['value']:.4g} (MAE).",
        ]

    def reliability(self, predicted: Predicted) -> tuple[np.ndarray, np.ndarray] | None:
        """None: a number has no confidence."""
        return None

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """RMSE, MAE, R2 and Spearman's correlation."""
        predicted = self._predicted(logits, labels)
        return {score.key: float(score.terms(predicted).mean()) for score in self.compared}

    def _predicted(self, logits: np.ndarray, labels: np.ndarray) -> Predicted:
        values = self.probabilities(logits)
        return Predicted(labels.astype(np.float64), self.decide(values), values)

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The mean error in the form of the training loss, of numbers divided by the scale."""
        errors = (self.decide(logits) - labels) / self.scale
        if self.error == "squared":
            return float((errors**2).mean())
        size = np.abs(errors)
        if self.error == "absolute":
            return float(size.mean())
        return float(np.where(size < 1, errors**2 / 2, size - 0.5).mean())

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """RMSE, MAE, R2 and Spearman's correlation with their 95 % intervals, and the loss."""
        predicted = self._predicted(logits, labels)
        found = {}
        for score in self.compared:
            found[score.key], found[f"{score.key}_interval"] = with_interval(score.terms(predicted))
        return found | {"loss": self.evaluation_loss(logits, labels), "rows": len(labels)}

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """Some rows for a scatter plot, (label, prediction), and a histogram of prediction minus label."""
        rows = np.random.default_rng(0).permutation(len(predicted.labels))[:SCATTERED]
        counts, edges = np.histogram(predicted.predictions - predicted.labels, bins=BARS)
        return {
            "scatter": np.stack([predicted.labels[rows], predicted.predictions[rows]], axis=1).tolist(),
            "residuals": {"counts": counts.tolist(), "edges": edges.tolist()},
        }

    def against(self, predicted: Predicted) -> np.ndarray:
        """The distance of the prediction."""
        return np.abs(predicted.predictions - predicted.labels)

    def set_columns(self, probabilities: np.ndarray, largest: np.ndarray) -> dict[str, list]:
        """An interval around the number."""
        numbers = self.decide(probabilities)
        return {"low": (numbers - largest).tolist(), "high": (numbers + largest).tolist()}

    def set_objects(self, probabilities: np.ndarray, largest: np.ndarray) -> list[dict[str, Any]]:
        """{"low": number, "high": number}"""
        columns = self.set_columns(probabilities, largest)
        return [{"low": low, "high": high} for low, high in zip(*columns.values(), strict=True)]

    def set_scores(self, predicted: Predicted, largest: np.ndarray) -> dict[str, float]:
        """Coverage, and the width of an interval, the same for all rows."""
        return {"coverage": float((self.against(predicted) <= largest).mean()), "mean_width": 2 * float(largest[0])}

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """label (float64) and prediction (float32)."""
        return {"label": labels.astype(np.float64), "prediction": self.probabilities(logits)[:, 0]}

    def predicted(self, table: "pa.Table") -> Predicted:
        """Labels and predictions."""
        labels, predictions = (table[name].to_numpy().astype(np.float64) for name in ("label", "prediction"))
        return Predicted(labels, predictions, predictions[:, None])

    def rescaled(self, predicted: Predicted) -> Predicted:
        """As saved."""
        return predicted

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, 1) predictions."""
        return predicted.predictions[:, None].astype(np.float32)

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """The numbers of the texts, and the predictions."""
        return Predicted(np.array([float(label) for label in labels]), self.decide(logs), logs.astype(np.float64))

    def answer_columns(self, probabilities: np.ndarray) -> dict[str, list]:
        """The number with six significant digits."""
        return {"prediction": [float(f"{value:.6g}") for value in self.decide(probabilities).tolist()]}

    def shown(self, probabilities: np.ndarray) -> list[tuple[str, ...]]:
        """The number with six significant digits."""
        return [(f"{value:.6g}",) for value in self.decide(probabilities).tolist()]

    def as_objects(self, probabilities: np.ndarray) -> list[dict[str, Any]]:
        """{"value": number}"""
        return [{"value": value} for value in self.decide(probabilities).tolist()]

    def summary(self, scores: dict[str, Any]) -> str:
        """RMSE with its interval, MAE, R2, Spearman's correlation, number of rows."""
        low, high = scores["rmse_interval"]
        return (
            f"RMSE {scores['rmse']:.4g} (95 % interval {low:.4g} to {high:.4g}), MAE {scores['mae']:.4g}, "
            f"R² {scores['r2']:.3f}, Spearman {scores['spearman']:.3f}, {scores['rows']:,} rows"
        )

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """Errors in the unit of the data."""
        low, high = scores["rmse_interval"]
        numbers = (f"{scores['rmse']:.4g}", f"{low:.4g} to {high:.4g}", f"{scores['mae']:.4g}")
        return (*numbers, f"{scores['r2']:.3f}", f"{scores['spearman']:.3f}", f"{scores['rows']:,}")

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """None."""
        return []

"""`Ordinal`: a text belongs to one of several classes that have an order, such as stars."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np

from sentiment_hf.common.class_names import is_number
from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.numeric_terms import absolute_error_terms, quadratic_kappa_terms, with_interval
from sentiment_hf.tasks.refusals import refuse_flags
from sentiment_hf.tasks.single_label import ACCURACY, CALIBRATION, LOG_LOSS, SingleLabel
from sentiment_hf.tasks.task import Predicted, Score

if TYPE_CHECKING:
    from sentiment_hf.settings.arguments import RunArguments


@dataclass(frozen=True)
class Ordinal(SingleLabel):
    """As `SingleLabel`, with classes in their order. The logits are log-probabilities or such without their sum.

    The value of a class is its name if all are numbers, else its place from 0.

    head: corn for a model that learns of each class but the highest whether a text is above it (Shi et al. 2023);
        classes for one that knows of no order.
    """

    head: str = field(default="corn", compare=False)

    name: ClassVar[str] = "ordinal"
    metrics: ClassVar[tuple[str, ...]] = (
        *("quadratic_kappa", "mae", "within_one", "accuracy", "precision_macro", "recall_macro", "f1_macro", "loss"),
    )
    exact: ClassVar[str] = "paired"
    duel_name: ClassVar[str] = "the paired test of the quadratic kappa"
    chosen_by: ClassVar[str] = "quadratic_kappa"
    falling: ClassVar[frozenset[str]] = frozenset({"loss", "mae"})
    purpose: ClassVar[str] = "It sorts a text into one of {count} classes, which have this order: {labels}."
    hub_scores: ClassVar[tuple[tuple[str, str], ...]] = (
        ("quadratic_kappa", "Quadratic weighted kappa"),
        ("mae", "MAE"),
        ("accuracy", "Accuracy"),
        ("loss", "Loss"),
    )
    hub_metrics: ClassVar[tuple[str, ...]] = ("accuracy", "mae")
    pipeline_note: ClassVar[str] = (
        "The softmax of the logits are the probabilities of the classes; `sentiment-hf predict` gives their expected "
        "value, too, if they are numbers."
    )
    score_header: ClassVar[tuple[str, ...]] = (
        *("quadratic kappa", "95 % interval", "MAE", "within one", "accuracy", "loss", "rows"),
    )

    @classmethod
    def read_in_order(
        cls, columns: Mapping[str, Sequence[LabelColumn]], order: Sequence[str] | None
    ) -> tuple[Self, dict[str, np.ndarray]]:
        """As `read`, with the classes in the order of --label_order, of their numbers, or of a ClassLabel.

        Raises:
            InputError: as `read`; or the order is not known, or --label_order names other classes.
        """
        task, labels = cls.read(columns)
        first = columns["train"][0]
        if order is None:
            if not all(map(is_number, task.labels)) and first.classes is None:
                raise InputError(
                    f"{first.source}: the classes of {first.name!r} are no numbers, so their order is not known; add "
                    f'--label_order "{",".join(task.labels)}" with the lowest class first.'
                )
            return task, labels
        if not task.has_labels(order):
            raise InputError(
                f"--label_order {','.join(order)}: expected each class of {first.name!r} once: "
                f"{', '.join(task.labels)}"
            )
        return task.in_order(order), {split: task.labels_in(order, ids) for split, ids in labels.items()}

    @property
    def settings(self) -> dict[str, Any]:
        """The head."""
        return {"head": self.head}

    @property
    def is_numeric(self) -> bool:
        """Whether the classes are numbers, as stars are."""
        return all(map(is_number, self.labels))

    @property
    def values(self) -> np.ndarray:
        """(classes,) the number of each class."""
        return np.array([float(name) if self.is_numeric else index for index, name in enumerate(self.labels)])

    @property
    def answers(self) -> dict[str, type]:
        """The class, the expected value of classes that are numbers, and the probability of each class."""
        own = super().answers
        expected = {"expected_value": float} if self.is_numeric else {}
        return {"prediction": own.pop("prediction")} | expected | own

    @property
    def pipeline_answer(self) -> str:
        """That of `SingleLabel` and, of classes that are numbers, the expected value."""
        if not self.is_numeric:
            return super().pipeline_answer
        expected = '"expected_value": sum(float(label) * p for label, p in scores.items())'
        return f"{super().pipeline_answer.removesuffix('}')}, {expected}}}"

    def shaped_by(self, run: "RunArguments") -> Self:
        """With the head of --ordinal_head; the flags of losses for other tasks are refused."""
        refuse_flags(run, self.name, pos_weight="multi_label", regression_loss="regression")
        return replace(self, head=run.ordinal_head or "corn")

    def as_saved(self, settings: Mapping[str, Any]) -> Self:
        """With the saved head."""
        return replace(self, **settings)

    def temperatures(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The same for all outputs, of which corn has none for the lowest class."""
        found = super().temperatures(logits, labels)
        return found[1:] if self.head == "corn" else found

    def tempered(self, logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
        """The logits, divided; of corn the log-probabilities that follow from its scores, divided."""
        if self.head != "corn":
            return super().tempered(logits, temperatures)
        constant = np.log(np.arange(len(self.labels) - 1, 0, -1)).astype(logits.dtype)
        above = np.logaddexp.accumulate(logits[:, :0:-1], axis=1)[:, ::-1]
        scores = (above - logits[:, :-1] - constant) / temperatures.astype(logits.dtype)
        return corn_log_probabilities(scores + constant)

    def distances(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """(rows,) how far the predicted class is from the class of the row."""
        return absolute_error_terms(self.values[labels], self.values[predictions])

    @property
    def kappa(self) -> Score:
        """Cohen's kappa with quadratic weights of the values of the classes."""

        def terms(predicted: Predicted) -> np.ndarray:
            return quadratic_kappa_terms(self.values[predicted.labels], self.values[predicted.predictions])

        return Score("quadratic_kappa", "quadratic kappa", terms, share=False, unit="", least=-1)

    @property
    def ranking(self) -> Score:
        """The quadratic kappa."""
        return self.kappa

    @property
    def compared(self) -> tuple[Score, ...]:
        """Quadratic kappa, MAE, accuracy within one, accuracy, log-loss, calibration error."""

        def distance(predicted: Predicted) -> np.ndarray:
            return self.distances(predicted.labels, predicted.predictions)

        mae = Score("mae", "MAE", distance, share=False, unit="", more_is_better=False)
        within = Score("within_one", "accuracy within one", lambda one: (distance(one) <= 1).astype(np.float64))
        return (self.kappa, mae, within, ACCURACY, LOG_LOSS, CALIBRATION)

    def duel(self, a: Predicted, b: Predicted) -> tuple[int, int, float]:
        """The rows on which each is nearer, and the paired test of the quadratic kappa."""
        from sentiment_hf.tasks.paired import mean_difference

        far = [self.distances(one.labels, one.predictions) for one in (a, b)]
        nearer = int((far[0] < far[1]).sum()), int((far[1] < far[0]).sum())
        return (*nearer, mean_difference(self.kappa.terms(a), self.kappa.terms(b)))

    @property
    def second(self) -> Score:
        """The MAE."""
        return self.compared[1]

    def second_test(self, a: Predicted, b: Predicted) -> tuple[dict[str, float], float]:
        """The paired test of the distances from the class of the row."""
        from sentiment_hf.tasks.paired import terms_difference

        return terms_difference(self.second.terms(a), self.second.terms(b))

    def remarks(self, entry: dict[str, Any]) -> list[str]:
        """Those of `SingleLabel`, and the mean distance."""
        guess, recall = super().remarks(entry)
        return [f"its MAE is {entry['mae']['value']:.3f}; {guess}", recall]

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """Quadratic kappa, MAE, accuracy within one, and the scores of classes."""
        return self._of_values(logits, labels) | super().logged(logits, labels)

    def _of_values(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The scores that know of the order."""
        chosen = logits.argmax(-1)
        far = self.distances(labels, chosen)
        kappa = quadratic_kappa_terms(self.values[labels], self.values[chosen]).mean()
        return {"quadratic_kappa": float(kappa), "mae": float(far.mean()), "within_one": float((far <= 1).mean())}

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """Those of `SingleLabel`, quadratic kappa and MAE with their 95 % intervals, and accuracy within one."""
        chosen = logits.argmax(-1)
        kappa = with_interval(quadratic_kappa_terms(self.values[labels], self.values[chosen]))
        mae = with_interval(self.distances(labels, chosen))
        return (
            self._of_values(logits, labels)
            | {"quadratic_kappa_interval": kappa[1], "mae_interval": mae[1]}
            | super().scores(logits, labels)
        )

    def answer_columns(self, probabilities: np.ndarray) -> dict[str, list]:
        """Those of `SingleLabel`, and the expected value."""
        expected = {"expected_value": np.round(probabilities @ self.values, 6).tolist()}
        found = super().answer_columns(probabilities) | expected
        return {name: found[name] for name in self.answers}

    def shown(self, probabilities: np.ndarray) -> list[tuple[str, ...]]:
        """Those of `SingleLabel`, with the expected value between class and probabilities."""
        if not self.is_numeric:
            return super().shown(probabilities)
        rows = zip(super().shown(probabilities), probabilities @ self.values, strict=True)
        return [(chosen, f"expected {value:.2f}", *rest) for (chosen, *rest), value in rows]

    def as_objects(self, probabilities: np.ndarray) -> list[dict[str, Any]]:
        """Those of `SingleLabel` and, of classes that are numbers, "expected_value"."""
        rows = super().as_objects(probabilities)
        if not self.is_numeric:
            return rows
        expected = (probabilities @ self.values).tolist()
        return [row | {"expected_value": value} for row, value in zip(rows, expected, strict=True)]

    def summary(self, scores: dict[str, Any]) -> str:
        """Quadratic kappa with its interval, MAE, accuracy within one, accuracy, loss, number of rows."""
        low, high = scores["quadratic_kappa_interval"]
        return (
            f"quadratic kappa {scores['quadratic_kappa']:.4f} (95 % interval {low:.4f} to {high:.4f}), MAE "
            f"{scores['mae']:.3f}, within one {scores['within_one']:.2%}, accuracy {scores['accuracy']:.2%}, loss "
            f"{scores['loss']:.4f}, {scores['rows']:,} rows"
        )

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """Shares in percent, the MAE in the unit of the classes, the loss in nats."""
        low, high = scores["quadratic_kappa_interval"]
        numbers = (f"{scores['quadratic_kappa']:.4f}", f"{low:.4f} to {high:.4f}", f"{scores['mae']:.3f}")
        shares = (f"{scores['within_one']:.2%}", f"{scores['accuracy']:.2%}")
        return (*numbers, *shares, f"{scores['loss']:.4f}", f"{scores['rows']:,}")


def corn_log_probabilities(scores: np.ndarray) -> np.ndarray:
    """(rows, classes - 1) log-odds of being above a class, if not below it -> (rows, classes) log-probabilities."""
    above = np.pad(-np.logaddexp(0, -scores).cumsum(1), ((0, 0), (1, 0)))
    not_above = np.pad(-np.logaddexp(0, scores), ((0, 0), (0, 1)))
    return above + not_above

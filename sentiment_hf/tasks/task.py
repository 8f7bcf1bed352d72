"""What a task has to answer: `Task`, and the values in its questions and answers."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from sentiment_hf.tasks.label_column import LabelColumn

if TYPE_CHECKING:
    import pyarrow as pa
    from datasets import ClassLabel
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Predicted:
    """What a run predicted for the rows of one part.

    labels, predictions: (rows,) class ids, in the order of the rows.
    probabilities: (rows, classes).
    """

    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray

    def rescaled(self) -> "Predicted":
        """The same with probabilities that sum to 1 on each row; saved ones do not, because they are rounded."""
        return replace(self, probabilities=self.probabilities / self.probabilities.sum(1, keepdims=True))

    def renumbered(self, ids: np.ndarray) -> "Predicted":
        """The same with ids[i] in place of the class id i; `ids` is a permutation of the class ids."""
        return Predicted(ids[self.labels], ids[self.predictions], self.probabilities[:, np.argsort(ids)])


@dataclass(frozen=True)
class Score:
    """A number that says how good predictions are.

    key: its name in results.json, and that of `Task.ranking` in report.json too. name: its name in a sentence.
    terms: predictions -> (rows,) numbers whose mean is the score. Their spread is that of the score over samples of
        rows.
    share: the score is a share of rows, so its interval ends at 0 and 1.
    unit: that of the value; a "%" says that the value is a fraction, which is shown in percent.
    """

    key: str
    name: str
    terms: Callable[[Predicted], np.ndarray]
    share: bool = True
    unit: str = "%"
    more_is_better: bool = True

    def rank(self, value: float) -> float:
        """A number that is smaller the better `value` is, to sort by."""
        return -value if self.more_is_better else value

    def shown(self, value: float) -> str:
        """The value with its unit, for a sentence or the screen."""
        return f"{value:.2%}" if self.unit == "%" else f"{value:.4f} {self.unit}"

    def between(self, interval: dict[str, float]) -> str:
        """The bounds of an interval of the score, with a digit less than its value."""
        low, high = interval["low"], interval["high"]
        return f"{low:.1%} to {high:.1%}" if self.unit == "%" else f"{low:.3f} to {high:.3f}"


@dataclass(frozen=True)
class Details:
    """A table of a card: its title, the cells of its first line, and those of the lines below."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[object]]


class Task(Protocol):
    """What a label is, and all that follows from it; a value, made where labels are read.

    Everywhere `logits` are (rows, outputs) as a model returns them, `probabilities` (rows, outputs) between 0 and 1,
    `labels` and `predictions` (rows,) as `read` numbers them.

    labels: the names of the outputs of a model, in their order.
    name: `task` of report.json. problem_type: that of a model's config.
    ranking: the score that says which of two runs is better. compared: the scores of a comparison, `ranking` first.
    purpose: what a model does, a sentence of the card with the fields {count} and {labels}.
    hub_type: the Hub's name of the task. hub_scores: key in report.json and name on the Hub, of scores of a card.
    hub_metrics: what the Hub files a model under.
    decision: the expression of the card's snippet that makes a prediction of `logits` and `labels`.
    score_header: the first line of the table of scores in a card, without the name of the part.
    """

    labels: tuple[str, ...]
    name: ClassVar[str]
    problem_type: ClassVar[str]
    ranking: ClassVar[Score]
    compared: ClassVar[tuple[Score, ...]]
    purpose: ClassVar[str]
    hub_type: ClassVar[str]
    hub_scores: ClassVar[tuple[tuple[str, str], ...]]
    hub_metrics: ClassVar[tuple[str, ...]]
    decision: ClassVar[str]
    score_header: ClassVar[tuple[str, ...]]

    @classmethod
    def read(cls, columns: Mapping[str, Sequence[LabelColumn]]) -> tuple[Self, dict[str, list]]:
        """The task whose labels "train" has, and the label of each row by split; raises InputError for a bad label."""
        ...

    @property
    def feature(self) -> "ClassLabel":
        """The type of the label column in a data set."""
        ...

    def places_in(self, order: Sequence[str]) -> np.ndarray:
        """(outputs,) the place of each of `labels` in `order`, which has the same names in another order."""
        ...

    def as_text(self, labels: Iterable[int]) -> list[str]:
        """Labels or predictions as people read them."""
        ...

    def class_weights(self, labels: np.ndarray) -> np.ndarray:
        """What --class_weights makes of the labels of train, for `loss`."""
        ...

    def loss(self, class_weights: np.ndarray | None, label_smoothing: float) -> Callable[..., "Tensor"]:
        """What is trained: (outputs, labels, num_items_in_batch) -> loss, as `Trainer` calls it."""
        ...

    def probabilities(self, logits: "np.ndarray | Tensor") -> np.ndarray:
        """Probabilities, in float32."""
        ...

    def logits(self, probabilities: np.ndarray, smallest: float) -> np.ndarray:
        """Logits with these probabilities, each of which counts as `smallest` at least."""
        ...

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Predictions from logits, which are exact, or from probabilities where there are no logits."""
        ...

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """(..., rows) predictions -> (..., rows, outputs) probabilities of who is sure of them."""
        ...

    def likelihood(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """(rows,) the probability that was given to what is true."""
        ...

    def confidence(self, predicted: Predicted) -> np.ndarray:
        """(rows,) the probability that was given to what was predicted."""
        ...

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """(rows,) true where a prediction is right; `predictions` may be (runs, rows)."""
        ...

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The scores that `Trainer` logs at each evaluation, without the loss."""
        ...

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The mean loss over the rows, without class weights and label smoothing."""
        ...

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """All that report.json says of one part; JSON types, `ranking.key`, "loss" and "rows" among the keys."""
        ...

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """What results.json says of the predictions of one run besides scores; JSON types."""
        ...

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of a predictions file behind the number of the row."""
        ...

    def predicted(self, table: "pa.Table") -> Predicted:
        """What `columns` wrote, read back; raises KeyError where a column is missing."""
        ...

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, outputs) float32, a value for each label, from which `from_logs` makes the same predictions."""
        ...

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """What `to_logs` kept; `labels` are (rows,) texts."""
        ...

    def summary(self, scores: dict[str, Any]) -> str:
        """The scores of a part in one line of the screen."""
        ...

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """The scores of a part as a line of the card, in the order of `score_header`."""
        ...

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """Further tables of the card, of the scores of test."""
        ...

"""`Task`, the protocol of a task, and the types of its arguments and results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

from sentiment_hf.tasks.label_column import LabelColumn

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor


@dataclass(frozen=True, eq=False)
class Predicted:
    """Labels and predictions of the rows of one part, such as test.

    labels, predictions: (rows,) class ids.
    probabilities: (rows, classes).
    """

    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray

    def rescaled(self) -> "Predicted":
        """The same with probabilities that sum to 1 in each row. Saved ones are rounded and do not."""
        return replace(self, probabilities=self.probabilities / self.probabilities.sum(1, keepdims=True))

    def renumbered(self, ids: np.ndarray) -> "Predicted":
        """The same with the class id ids[i] in place of i; `ids` is a (classes,) permutation of the class ids."""
        return Predicted(ids[self.labels], ids[self.predictions], self.probabilities[:, np.argsort(ids)])


@dataclass(frozen=True)
class Score:
    """A number that says how good predictions are.

    key: the name of the score in results.json. The key of `Task.ranking` is also its name in report.json.
    name: the name of the score in a sentence.
    terms: predictions -> (rows,) terms. Their mean is the score. The variance of this mean is the variance of the
        score over samples of rows.
    share: whether the score is a share of rows. Its interval is then cut at 0 and 1.
    unit: the unit of the value. With "%" the value is a fraction and is shown in percent.
    """

    key: str
    name: str
    terms: Callable[[Predicted], np.ndarray]
    share: bool = True
    unit: str = "%"
    more_is_better: bool = True

    def rank(self, value: float) -> float:
        """A sort key: the better `value` is, the smaller the key."""
        return -value if self.more_is_better else value

    def shown(self, value: float) -> str:
        """The value with its unit, as text."""
        return f"{value:.2%}" if self.unit == "%" else f"{value:.4f} {self.unit}"

    def between(self, interval: dict[str, float]) -> str:
        """The bounds of an interval, as text, with one digit less than `shown`."""
        low, high = interval["low"], interval["high"]
        return f"{low:.1%} to {high:.1%}" if self.unit == "%" else f"{low:.3f} to {high:.3f}"


@dataclass(frozen=True)
class Details:
    """A table of a model card: its title, the cells of the header, and the cells of each line below."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[object]]


class Task(Protocol):
    """What a label is, and everything that depends on it. A task is made where labels are read.

    In all methods `logits` are (rows, outputs) as a model returns them, `probabilities` (rows, outputs) between 0 and
    1, `labels` and `predictions` (rows,) ids as `read` numbers them.

    labels: the names of the outputs of a model, in their order.
    name: the value of `task` in report.json.
    problem_type: the value of `problem_type` in a model's config.
    ranking: the score that decides which of two runs is better.
    compared: the scores of a comparison, `ranking` first.
    purpose: a sentence of the model card that says what a model does, with the fields {count} and {labels}.
    hub_type: the name of the task on the Hub.
    hub_scores: (key in report.json, name on the Hub) of each score in the metadata of a model card.
    hub_metrics: the metrics in the metadata of a model card.
    decision: the Python expression in the example of a model card that makes a prediction from `logits` and `labels`.
    score_header: the header of the table of scores in a model card, without the column of the part.
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
    def read(cls, columns: Mapping[str, Sequence[LabelColumn]]) -> tuple[Self, dict[str, np.ndarray]]:
        """The task with the labels in "train", and the (rows,) label ids by split.

        Raises:
            InputError: a label cannot be used.
        """
        ...

    def places_in(self, order: Sequence[str]) -> np.ndarray:
        """(outputs,) the index of each of `labels` in `order`, which has the same names in another order."""
        ...

    def as_text(self, labels: Iterable[int]) -> list[str]:
        """The text of each label or prediction."""
        ...

    def class_weights(self, labels: np.ndarray) -> np.ndarray:
        """(outputs,) weights for `loss`, from the labels of train, if --class_weights is given."""
        ...

    def loss(self, class_weights: np.ndarray | None, label_smoothing: float) -> Callable[..., "Tensor"]:
        """The training loss: a function (outputs, labels, num_items_in_batch) -> loss, as `Trainer` calls it."""
        ...

    def probabilities(self, logits: "np.ndarray | Tensor") -> np.ndarray:
        """The probabilities of these logits, in float32."""
        ...

    def logits(self, probabilities: np.ndarray, smallest: float) -> np.ndarray:
        """Logits that have these probabilities. A probability below `smallest` counts as `smallest`."""
        ...

    def decide(self, scores: np.ndarray) -> np.ndarray:
        """Predictions from logits, or from probabilities. Logits are exact; use them if there are any."""
        ...

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """(..., rows) predictions -> (..., rows, outputs) probabilities of 0 and 1 that express them."""
        ...

    def likelihood(self, labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
        """(rows,) the probability of each label; with predictions in place of labels, the confidence."""
        ...

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Whether each prediction is right: (rows,), or (runs, rows) for (runs, rows) predictions."""
        ...

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The scores that `Trainer` logs at each evaluation, except the loss."""
        ...

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The mean loss over the rows, without class weights and label smoothing."""
        ...

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """The scores of one part in report.json, as JSON types. The keys include `ranking.key`, "loss" and "rows"."""
        ...

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """What results.json has about the predictions of one run besides `compared`, as JSON types."""
        ...

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
        """The columns of a predictions file, except the row number."""
        ...

    def predicted(self, table: "pa.Table") -> Predicted:
        """The inverse of `columns`: the predictions in such a file. Raises KeyError if a column is missing."""
        ...

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, outputs) float32, one value for each label. `from_logs` makes the same predictions from them."""
        ...

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """The inverse of `to_logs`; `labels` are the (rows,) texts of the labels."""
        ...

    def summary(self, scores: dict[str, Any]) -> str:
        """The scores of a part as one line of text."""
        ...

    def score_cells(self, scores: dict[str, Any]) -> tuple[str, ...]:
        """The scores of a part as cells of a model card, in the order of `score_header`."""
        ...

    def details(self, scores: dict[str, Any]) -> list[Details]:
        """Further tables of a model card, made of the scores of test."""
        ...

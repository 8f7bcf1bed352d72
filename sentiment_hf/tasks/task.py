"""`Task`, the protocol of a task, and the types of its arguments and results."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa
    from torch import Tensor

    from sentiment_hf.settings.arguments import RunArguments


@dataclass(frozen=True, eq=False)
class Predicted:
    """Labels and predictions of the rows of one part, such as test.

    labels, predictions: (rows,) class ids or numbers, or (rows, labels) truth values, as the task has them.
    probabilities: (rows, outputs), as `Task.probabilities` returns them.
    """

    labels: np.ndarray
    predictions: np.ndarray
    probabilities: np.ndarray


def with_digits(value: float, count: int) -> str:
    """The value with so many significant digits, and all digits before the point: 24.0, 0.912, 12,346"""
    if abs(value) >= 10 ** (count - 1):
        return f"{value:,.0f}"
    return f"{value:#.{count}g}"


@dataclass(frozen=True)
class Score:
    """A number that says how good predictions are.

    key: the name of the score in results.json. The key of `Task.ranking` is also its name in report.json.
    name: the name of the score in a sentence.
    terms: predictions -> (rows,) terms. Their mean is the score. The variance of this mean is the variance of the
        score over samples of rows.
    share: whether the score is a share of rows. Its interval is then cut at 0 and 1.
    least: the smallest value that the score can have, at which the interval of one that is no share is cut.
    unit: the unit of the value. With "%" the value is a fraction and is shown in percent; "" is the unit of the data,
        or none.
    sentence: the value in words, with the fields {name}, {value} and {rows}.
    """

    key: str
    name: str
    terms: Callable[[Predicted], np.ndarray]
    share: bool = True
    unit: str = "%"
    more_is_better: bool = True
    least: float = 0.0
    sentence: str = "{name} {value} on {rows} test rows"

    def rank(self, value: float) -> float:
        """A sort key: the better `value` is, the smaller the key."""
        return -value if self.more_is_better else value

    def shown(self, value: float) -> str:
        """The value with its unit, as text."""
        return f"{value:.2%}" if self.unit == "%" else f"{self.number(value)} {self.unit}".rstrip()

    def brief(self, value: float) -> str:
        """The value with one digit less than `shown`, for a sentence."""
        return f"{value:.1%}" if self.unit == "%" else f"{value:.3f}" if self.unit else with_digits(value, 3)

    def number(self, value: float) -> str:
        """The value without its unit, as in a table whose header has it."""
        if self.unit == "%":
            return f"{100 * value:.2f}"
        return f"{value:.4f}" if self.unit else with_digits(value, 4)

    def between(self, interval: dict[str, float]) -> str:
        """The bounds of an interval, as text, with one digit less than `shown`."""
        return f"{self.brief(interval['low'])} to {self.brief(interval['high'])}"

    def distance(self, difference: float) -> str:
        """How far two values are apart, in words and without a sign: percentage points of a share."""
        if self.unit != "%":
            return f"{with_digits(abs(difference), 2)} {self.unit}".rstrip()
        return f"{100 * abs(difference):.1f} points"

    def said(self, interval: dict[str, float], rows: int) -> str:
        """The value on so many test rows with its interval, in words."""
        value = self.sentence.format(value=self.brief(interval["value"]), name=self.name, rows=f"{rows:,}")
        return f"{value} (95 % interval {self.between(interval)})"


@dataclass(frozen=True)
class Details:
    """A table of a model card: its title, the cells of the header, and the cells of each line below."""

    title: str
    header: Sequence[str]
    lines: Sequence[Sequence[object]]


class Task(Protocol):
    """What a label is, and everything that depends on it. A task is made where labels are read.

    In all methods `logits` are (rows, outputs) as a model returns them, and `probabilities` (rows, outputs) what
    `probabilities` makes of them: between 0 and 1, or values of a regression. What `labels` and `predictions` are,
    each task says: (rows,) class ids, (rows,) numbers or (rows, labels) truth values.

    labels: the names of the outputs of a model, in their order.
    name: the value of `task` in report.json, and of --task.
    problem_type: the value of `problem_type` in a model's config.
    ranking: the score that decides which of two runs is better.
    compared: the scores of a comparison, `ranking` first.
    second: the one of `compared` by which two trained models are tested, too.
    exact, duel_name: the key in results.json of the test of `duel`, and its name in a sentence.
    metrics: the scores that `logged` returns, and "loss".
    chosen_by: the one of `metrics` by which the checkpoint is chosen if --metric_for_best_model does not say.
    falling: those of `metrics` of which less is better.
    tunes: whether `tuned` chooses anything.
    has_sets: whether answers can be sets with a given certainty.
    calibrates: whether it has probabilities, which `temperatures` make more likely.
    votes: whether predictions of several models can be counted as votes.
    needs_all: whether a part that is taken from train needs rows of every label.
    sure, sure_name: the least `sureness` of a label that is likely wrong, and what it is called.
    purpose: a sentence of the model card that says what a model does, with the fields {count} and {labels}.
    hub_type: the name of the task on the Hub.
    hub_scores: (key in report.json, name on the Hub) of each score in the metadata of a model card.
    hub_metrics: the metrics in the metadata of a model card.
    pipeline_arguments: what `pipeline()` of the library wants besides the text to give all that the model says.
    pipeline_note: a sentence of the model card on what `pipeline()` gives; "" if it gives what everyone expects.
    score_header: the header of the table of scores in a model card, without the column of the part.
    """

    labels: tuple[str, ...]
    name: ClassVar[str]
    problem_type: ClassVar[str]
    ranking: ClassVar[Score]
    compared: ClassVar[tuple[Score, ...]]
    second: ClassVar[Score]
    exact: ClassVar[str]
    duel_name: ClassVar[str]
    metrics: ClassVar[tuple[str, ...]]
    chosen_by: ClassVar[str]
    falling: ClassVar[frozenset[str]]
    tunes: ClassVar[bool]
    votes: ClassVar[bool]
    has_sets: ClassVar[bool]
    needs_all: ClassVar[bool]
    sure: ClassVar[float]
    sure_name: ClassVar[str]
    purpose: ClassVar[str]
    hub_type: ClassVar[str]
    hub_scores: ClassVar[tuple[tuple[str, str], ...]]
    hub_metrics: ClassVar[tuple[str, ...]]
    pipeline_arguments: ClassVar[str]
    pipeline_note: ClassVar[str]
    score_header: ClassVar[tuple[str, ...]]

    @property
    def calibrates(self) -> bool: ...

    @property
    def settings(self) -> dict[str, Any]:
        """What is saved of the task besides its name and labels, as JSON types: in report.json and config.json."""
        ...

    @property
    def decision(self) -> str:
        """The Python expression in the example of a model card that makes a prediction from `logits` and `labels`."""
        ...

    @property
    def pipeline_answer(self) -> str:
        """The Python expression of the answer of `as_objects` made of `scores`, {label: score} by `pipeline()`."""
        ...

    @property
    def scores_caption(self) -> str | None:
        """What the scores of an answer are, and which of them decide if it is not the highest; None without any."""
        ...

    @property
    def loss_of_guessing(self) -> float:
        """The loss of a model that has learned nothing."""
        ...

    @property
    def answers(self) -> dict[str, type]:
        """{column that `predict` adds: str or float}, `prediction` first."""
        ...

    def shaped_by(self, run: "RunArguments") -> Self:
        """The task with the flags of its loss; raises InputError for a flag that is for another task."""
        ...

    def as_saved(self, settings: Mapping[str, Any]) -> Self:
        """The task of a model that is not trained, with the `settings` that were saved with it, if any."""
        ...

    def fitted(self, labels: np.ndarray) -> Self:
        """The task with what it takes from the labels of train."""
        ...

    def has_labels(self, names: Sequence[str]) -> bool:
        """Whether `names` are those of the labels, in any order."""
        ...

    def in_order(self, names: Sequence[str]) -> Self:
        """The task with its labels in the order of `names`."""
        ...

    def labels_in(self, names: Sequence[str], labels: np.ndarray) -> np.ndarray:
        """Labels or predictions of this task as those of `in_order(names)`."""
        ...

    def predicted_in(self, names: Sequence[str], predicted: Predicted) -> Predicted:
        """The same for predictions with their probabilities."""
        ...

    def as_text(self, labels: Iterable) -> list[str]:
        """The text of each label or prediction."""
        ...

    def said(self, labels: np.ndarray) -> list[str]:
        """The text of each label or prediction for a reader."""
        ...

    def strata(self, labels: np.ndarray) -> np.ndarray:
        """(rows,) small numbers from 0. Parts that are taken at random get the same share of each of them."""
        ...

    def absent(self, labels: np.ndarray) -> list[str]:
        """The labels, as text, that no row has."""
        ...

    def counted(self, labels: np.ndarray) -> dict[str, int]:
        """{label or range of labels, as text: number of its rows}, most rows first."""
        ...

    def groups(self, labels: np.ndarray) -> np.ndarray:
        """The labels as `prepare` of a custom model takes them: (rows,) ids from 0, or (rows, labels) truth values."""
        ...

    def loss(self, labels: np.ndarray, run: "RunArguments", label_smoothing: float) -> Callable[..., "Tensor"]:
        """The training loss: a function (outputs, labels, num_items_in_batch) -> loss, as `Trainer` calls it.

        labels: those of train, from which --class_weights and --pos_weight are computed.
        """
        ...

    def distance(self, logits: "Tensor", taught: "Tensor") -> "Tensor":
        """(rows, outputs) logits, those of a teacher -> (rows,) how far they are apart, in the sums of `loss`."""
        ...

    def divergence(self, logits: "Tensor", others: "Tensor") -> "Tensor":
        """(rows, outputs) logits, other ones -> (rows,) how far the others are from them, in the sums of `loss`."""
        ...

    def probabilities(self, logits: np.ndarray) -> np.ndarray:
        """The probabilities of these logits, in float32."""
        ...

    def logits(self, probabilities: np.ndarray, smallest: float) -> np.ndarray:
        """Logits that have these probabilities. A probability below `smallest` counts as `smallest`."""
        ...

    def temperatures(self, logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
        """The numbers by which the outputs of the last layer are divided, so that the labels of these rows are likely.

        (outputs of the layer,), of which the logits are made.
        """
        ...

    def tempered(self, logits: np.ndarray, temperatures: np.ndarray) -> np.ndarray:
        """The logits of the model once its last layer is divided by `temperatures`."""
        ...

    def tuned(self, logits: np.ndarray, labels: np.ndarray) -> Self:
        """The task with what is chosen on validation, from the logits and labels of its rows."""
        ...

    def decide(self, probabilities: np.ndarray) -> np.ndarray:
        """(..., rows, outputs) -> predictions."""
        ...

    def leading(self, probabilities: np.ndarray) -> int:
        """(outputs,) -> the place of the output that says most of a text."""
        ...

    def certain(self, predictions: np.ndarray) -> np.ndarray:
        """(..., rows) predictions -> (..., rows, outputs) probabilities of 0 and 1 that express them."""
        ...

    def pool_weights(self, members: Sequence[Predicted], rows: np.ndarray) -> np.ndarray:
        """(members,) weights of a sum of their logits, as learned on these `rows`, (rows,) truth values."""
        ...

    def right(self, labels: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        """Whether each prediction is right: (rows,), or (runs, rows) for the predictions of several runs."""
        ...

    def duel(self, a: Predicted, b: Predicted) -> tuple[int, int, float]:
        """(rows on which only `a` is right, or is nearer; the same of `b`; p of a paired test of the two models)."""
        ...

    def second_test(self, a: Predicted, b: Predicted) -> tuple[dict[str, float], float]:
        """(`second` of `a` minus that of `b` with its 95 % interval, p that they are equal over samples of rows)."""
        ...

    def sureness(self, members: Sequence[Predicted]) -> np.ndarray:
        """(rows,) how surely all members contradict the label of a row, in the same way; 0 where they do not."""
        ...

    def remarks(self, entry: dict[str, Any]) -> list[str]:
        """Sentences on the entry in results.json of a model that stands alone, the first the end of one."""
        ...

    def reliability(self, predicted: Predicted) -> tuple[np.ndarray, np.ndarray] | None:
        """(confidences, whether what they are about came true), of one shape; None if there are no confidences."""
        ...

    def logged(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
        """The scores that `Trainer` logs at each evaluation, except the loss."""
        ...

    def evaluation_loss(self, logits: np.ndarray, labels: np.ndarray) -> float:
        """The mean loss over the rows, without weights and label smoothing."""
        ...

    def scores(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """The scores of one part in report.json, as JSON types. The keys include `ranking.key`, "loss" and "rows"."""
        ...

    def breakdown(self, predicted: Predicted) -> dict[str, Any]:
        """What results.json has about the predictions of one run besides `compared`, as JSON types."""
        ...

    @property
    def set_answers(self) -> dict[str, type]:
        """{column that `predict --abstain` adds: str, float or bool}"""
        ...

    def against(self, predicted: Predicted) -> np.ndarray:
        """(rows,) what a model says against the label of each row: the scores of `tasks/conformal.py`."""
        ...

    def set_columns(self, probabilities: np.ndarray, largest: np.ndarray) -> dict[str, list]:
        """The columns that `set_answers` names; `largest` are (outputs,) scores up to which a label is in a set."""
        ...

    def set_objects(self, probabilities: np.ndarray, largest: np.ndarray) -> list[dict[str, Any]]:
        """For each text, what `sentiment_hf.predict` adds to its answer."""
        ...

    def set_scores(self, predicted: Predicted, largest: np.ndarray) -> dict[str, float]:
        """How often the sets of these rows hold the label (coverage), and how large they are, as JSON types."""
        ...

    def columns(self, logits: np.ndarray, labels: np.ndarray) -> dict[str, Any]:
        """The columns of a predictions file, except the row number."""
        ...

    def predicted(self, table: "pa.Table") -> Predicted:
        """The inverse of `columns`: the predictions in such a file. Raises KeyError if a column is missing."""
        ...

    def rescaled(self, predicted: Predicted) -> Predicted:
        """With probabilities without the rounding of a saved file, as far as it can be undone."""
        ...

    def to_logs(self, predicted: Predicted) -> np.ndarray:
        """(rows, outputs) float32, one value for each label. `from_logs` makes the same predictions from them."""
        ...

    def from_logs(self, logs: np.ndarray, labels: Sequence[str]) -> Predicted:
        """The inverse of `to_logs`; `labels` are the (rows,) texts of the labels."""
        ...

    def answer_columns(self, probabilities: np.ndarray) -> dict[str, list]:
        """The columns that `predict` adds to the rows of a table, as `answers` says."""
        ...

    def shown(self, probabilities: np.ndarray) -> list[tuple[str, ...]]:
        """For each text, the cells of the line that `predict` prints before it."""
        ...

    def as_objects(self, probabilities: np.ndarray) -> list[dict[str, Any]]:
        """For each text, the answer of `sentiment_hf.predict`."""
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

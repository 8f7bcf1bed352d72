"""What the task of one class per text promises to training, reports, comparison and inference."""

import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from torch.nn.functional import cross_entropy

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import RunArguments
from sentiment_hf.tasks.label_column import Distinct, LabelColumn
from sentiment_hf.tasks.single_label import SingleLabel, probability_of, worst_pairs
from sentiment_hf.tasks.task import Predicted

SOURCES = Path(__file__).parents[2] / "sentiment_hf"
NAMES = ("bad", "fair", "very/good")
TASK = SingleLabel(NAMES)
LARGEST = pytest.mark.parametrize("scale", [0.01, 1, 60, 3000])


def rows(count: int = 211, scale: float = 1.0, dtype: type = np.float32) -> tuple[np.ndarray, np.ndarray]:
    """(count, 3) logits and (count,) labels."""
    chance = np.random.default_rng(0)
    return (scale * chance.normal(size=(count, 3))).astype(dtype), chance.integers(0, 3, count)


def column(*cells, classes: list[str] | None = None) -> LabelColumn:
    return LabelColumn("stars", cells, "data.csv", lambda index: f"data.csv, line {index + 2}", classes)


def as_lists(ids):
    return {split: rows.tolist() for split, rows in ids.items()}


def test_what_logits_and_labels_mean_is_asked_of_the_task():
    """A second task changes all of these places, so there is one.

    The graph of an ensemble computes in torch what `Ensemble.combine` does, and its test compares them for each task.
    argmax(0) is over the windows of a text.
    """
    found = [
        f"{path.relative_to(SOURCES)}:{number}: {line.strip()}"
        for path in sorted(SOURCES.rglob("*.py"))
        if path.parent.name != "tasks" and path.name != "together.py"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"(softmax|argmax)\((?!0\))", line)
    ]
    assert not found, (
        "these belong into sentiment_hf/tasks: Task.probabilities, decide, evaluation_loss\n" + "\n".join(found)
    )


# Many classes


def test_the_most_frequent_confusions_stand_first_and_right_rows_are_none():
    confusion = [[90, 2, 0], [7, 50, 0], [0, 1, 9]]
    assert worst_pairs(confusion, NAMES) == [("fair", "bad", 7), ("bad", "fair", 2), ("very/good", "fair", 1)]


def test_a_card_of_many_classes_can_be_read():
    task = SingleLabel(tuple(f"intent {index:03}" for index in range(150)))
    labels = np.repeat(np.arange(150), np.arange(1, 151))
    logits = 9.0 * np.eye(150, dtype=np.float32)[np.where(labels == 149, 3, labels)]
    by_class, confused = task.details(task.scores(logits, labels))
    assert len(by_class.lines) == 50
    assert by_class.lines[0] == ("intent 149", "0.00%", "0.00%", "0.00%", "150")
    assert confused.lines == [("intent 149", "intent 003", 150)]


@pytest.mark.parametrize(("classes", "has"), [(10, False), (11, True)])
def test_of_more_than_ten_classes_the_first_three_are_scored(classes, has):
    task = SingleLabel(tuple(f"intent {index}" for index in range(classes)))
    logits = np.tile(np.arange(classes, dtype=np.float32), (2, 1))
    scores = task.scores(logits, np.array([classes - 3, classes - 4]))
    assert scores.get("top3_accuracy") == (0.5 if has else None)
    assert ("top3_accuracy" in [score.key for score in task.compared]) == has


# Labels


def test_classes_are_those_of_train_as_numbers_where_all_are():
    task, ids = SingleLabel.read({"train": [column("10", 9.0), column(" 10.0 ", True)], "test": [column(9)]})
    assert task == SingleLabel(("10", "9", "True"))
    assert as_lists(ids) == {"train": [0, 1, 0, 2], "test": [1]}
    task, ids = SingleLabel.read({"train": [column("10", 9.0, "-1")], "validation": [column("9", "-1.0")]})
    assert task.labels == ("-1", "9", "10")
    assert as_lists(ids) == {"train": [2, 1, 0], "validation": [1, 0]}


def test_a_class_label_keeps_its_order_and_the_classes_without_rows():
    task, ids = SingleLabel.read({"train": [column(2, 0, classes=["good", "none", "bad"])], "test": [column("bad")]})
    assert task.labels == ("good", "none", "bad")
    assert as_lists(ids) == {"train": [2, 0], "test": [2]}
    assert task.as_text(ids["train"]) == ["bad", "good"]


@pytest.mark.parametrize(
    "cells", [[1, 0, 1, None], [1.0, 0.5, None, 1.0], ["b", "a", None, "b"], [True, False, None, True]]
)
def test_a_column_of_arrow_has_the_distinct_cells_of_a_list(cells):
    listed = Distinct.of(cells)
    for pieces in ([cells], [cells[:1], cells[1:]]):
        in_arrow = Distinct.of(ArrowColumn(pa.chunked_array(pieces)))
        assert (in_arrow.cells, in_arrow.first_rows) == (listed.cells, listed.first_rows)
        assert in_arrow.codes.tolist() == listed.codes.tolist()


@pytest.mark.parametrize(
    ("train", "test", "said"),
    [
        (column("a", "a"), column("a"), r"data.csv: every row has the label 'a' in 'stars'"),
        (column("a", "b"), column("a", "c"), r"line 3: the class 'c' stands in test but in no row of train"),
        (column("a", None), column("a"), r"line 3: the label in 'stars' is missing"),
        (column("a", [0, 1]), column("a"), r"line 3: the label in 'stars' is a list, as for several labels per text"),
        (column("a", float("inf")), column("a"), r"line 3: the label in 'stars' is 'inf'; a class is a name or a num"),
        (column("a", b"b"), column("a"), r"line 3: .* a class is a name or a number"),
        (column(0, 1, classes=["a", "b"]), column(0, -1, classes=["a", "b"]), r"line 3: 'stars' is -1, which marks"),
        (column(0, 2, classes=["a", "b"]), column(0), r"line 3: 'stars' is '2', and the 2 classes are a, b, or"),
        (column("a", "\ud83d"), column("a"), r"line 3: 'stars' holds half of a surrogate pair"),
    ],
)
def test_a_label_that_is_none_is_refused_by_its_place(train, test, said):
    with pytest.raises(InputError, match=said):
        SingleLabel.read({"train": [train], "test": [test]})


# Probabilities and predictions


@LARGEST
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_probabilities_sum_to_one_and_the_largest_is_predicted(kind, scale):
    logits = rows(scale=scale)[0].astype(kind)
    probabilities = TASK.probabilities(logits)
    assert probabilities == pytest.approx(torch.tensor(logits).float().softmax(-1).numpy(), abs=1e-6)
    assert probabilities.dtype == np.float32
    assert probabilities.sum(1) == pytest.approx(np.ones(len(logits)), abs=1e-6)
    decided = TASK.decide(probabilities)
    assert (probabilities[np.arange(len(decided)), decided] == probabilities.max(1)).all()


def test_logits_have_their_probabilities_and_the_same_predictions():
    logits, _ = rows(scale=3)
    probabilities = TASK.probabilities(logits).astype(np.float64)
    again = TASK.logits(probabilities)
    assert TASK.probabilities(again) == pytest.approx(probabilities, abs=1e-6)
    assert (TASK.decide(again) == TASK.decide(logits)).all()
    assert np.isfinite(TASK.logits(np.array([[0.0, 1.0, 0.0]]))).all()


def test_who_is_certain_predicts_the_same():
    predictions = rows()[1].reshape(1, -1)
    certain = TASK.certain(predictions)
    assert certain.shape == (*predictions.shape, 3)
    assert (certain.sum(-1) == 1).all()
    assert (TASK.decide(certain) == predictions).all()


def test_confidence_is_the_probability_of_the_prediction():
    probabilities = np.array([[0.7, 0.2, 0.1], [0.3, 0.3, 0.4]])
    labels, predictions = np.array([1, 2]), np.array([0, 2])
    confidence, right = TASK.reliability(Predicted(labels, predictions, probabilities))
    assert confidence.tolist() == [0.7, 0.4]
    assert right.tolist() == [False, True]
    assert TASK.right(labels, np.stack([predictions, labels])).tolist() == [[False, True], [True, True]]


# Loss


def loss_of(loss, logits: torch.Tensor, labels: torch.Tensor, count: int | None = None) -> torch.Tensor:
    return loss(SimpleNamespace(logits=logits), labels, count)


@pytest.mark.parametrize("weights", [None, "balanced"])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_small_batches_add_up_to_the_loss_and_gradient_of_the_big_one(weights, smoothing):
    logits, labels = (torch.from_numpy(part) for part in rows(23))
    logits = logits.double().requires_grad_()
    loss = TASK.loss(np.array([0, 0, 0, 1, 2, 2]), RunArguments(class_weights=weights), smoothing)
    big = loss_of(loss, logits, labels)
    # Batches of 7, the last of 2 rows: a mean of their means would be another number.
    small = sum(loss_of(loss, *part, 23) for part in zip(logits.split(7), labels.split(7), strict=True))
    assert small.item() == pytest.approx(big.item(), rel=1e-12)
    gradients = [torch.autograd.grad(value, logits, retain_graph=True)[0] for value in (big, small)]
    torch.testing.assert_close(*gradients)


def test_the_loss_is_the_cross_entropy_with_weights_that_do_not_cancel():
    logits, labels = torch.tensor([[2.0, -1.0], [0.5, 0.25], [3.0, 1.0]]), torch.tensor([0, 0, 1])
    task, of_train = SingleLabel(("no", "yes")), np.array([0, 0, 1])
    plain = loss_of(task.loss(of_train, RunArguments(), 0.0), logits, labels)
    assert plain.item() == pytest.approx(cross_entropy(logits, labels).item())
    each = cross_entropy(logits, labels, reduction="none")
    weighed = loss_of(task.loss(of_train, RunArguments(class_weights="balanced"), 0.0), logits, labels)
    assert weighed.item() == pytest.approx((0.75 * (each[0] + each[1]) + 1.5 * each[2]).item() / 3)
    smoothed = loss_of(task.loss(of_train, RunArguments(), 0.2), logits, labels)
    assert smoothed.item() == pytest.approx(cross_entropy(logits, labels, label_smoothing=0.2).item())


def test_without_weights_and_smoothing_the_loss_is_the_one_of_the_evaluation():
    logits, labels = rows()
    trained = loss_of(TASK.loss(labels, RunArguments(), 0.0), *map(torch.from_numpy, (logits, labels)))
    assert TASK.evaluation_loss(logits, labels) == pytest.approx(trained.item(), rel=1e-6)


def test_balanced_weights_are_one_on_average_and_zero_for_a_class_without_rows():
    weights = TASK.class_weights(np.array([0, 0, 0, 2]))
    assert weights.tolist() == pytest.approx([2 / 3, 0, 2])
    labels = rows()[1]
    assert TASK.class_weights(labels)[labels].mean() == pytest.approx(1)


# Scores


@pytest.mark.parametrize("score", TASK.compared, ids=lambda score: score.key)
def test_a_better_model_ranks_before_a_worse_one(score):
    logits, labels = rows()
    right = np.eye(3)[labels]
    values = []
    for better in (0.0, 2.0, 40.0):
        probabilities = TASK.probabilities(logits + better * right).astype(np.float64)
        predicted = Predicted(labels, TASK.decide(probabilities), probabilities)
        assert score.terms(predicted).shape == labels.shape
        values.append(score.terms(predicted).mean())
    ranks = [score.rank(value) for value in values]
    assert ranks[2] < ranks[1] < ranks[0] or (score.key == "calibration_error" and ranks[2] < ranks[0])


def test_the_score_that_ranks_is_compared_first_and_said_of_every_part_of_a_report():
    logits, labels = rows()
    scores = TASK.scores(logits, labels)
    assert TASK.compared[0] is TASK.ranking
    predicted = Predicted(labels, TASK.decide(logits), TASK.probabilities(logits))
    assert scores[TASK.ranking.key] == pytest.approx(TASK.ranking.terms(predicted).mean())
    assert scores.keys() >= {TASK.ranking.key, "loss", "rows", *(key for key, _ in TASK.hub_scores)}
    breakdown = TASK.breakdown(predicted)
    assert breakdown == {name: scores[name] for name in breakdown}


def test_scores_are_said_in_percent_or_with_their_unit():
    accuracy, loss = TASK.ranking, next(score for score in TASK.compared if score.unit == "nats")
    assert accuracy.shown(0.91871) == "91.87%"
    assert accuracy.between({"low": 0.9152, "high": 0.922}) == "91.5% to 92.2%"
    assert loss.shown(0.25) == "0.2500 nats"
    assert loss.between({"low": 0.2, "high": 0.3}) == "0.200 to 0.300"


def test_a_card_has_a_cell_under_every_heading():
    scores = TASK.scores(*rows())
    assert len(TASK.score_cells(scores)) == len(TASK.score_header)
    for details in TASK.details(scores):
        assert {len(line) for line in details.lines} == {len(details.header)}
        assert [line[0] for line in details.lines] == list(NAMES)


def test_the_decision_of_a_card_is_that_of_the_task():
    logits, _ = rows(1)
    assert (
        eval(TASK.decision, {"logits": torch.from_numpy(logits), "labels": list(NAMES)})
        == TASK.as_text(TASK.decide(logits))[0]
    )


# Files


@LARGEST
def test_the_columns_of_a_predictions_file_are_read_back(scale, tmp_path):
    logits, labels = rows(scale=scale)
    written = TASK.columns(logits, labels)
    assert list(written) == ["label", "prediction", *(f"probability_{name}" for name in NAMES)]
    pq.write_table(pa.table(written), tmp_path / "predictions.parquet")
    read = TASK.predicted(pq.read_table(tmp_path / "predictions.parquet"))
    assert (read.labels == labels).all()
    assert (read.predictions == TASK.decide(logits)).all()
    assert read.probabilities == pytest.approx(TASK.probabilities(logits), abs=5e-4)
    assert TASK.rescaled(read).probabilities.sum(1) == pytest.approx(np.ones(len(labels)))


def test_a_column_that_is_missing_is_named():
    written = TASK.columns(*rows())
    del written["probability_very/good"]
    with pytest.raises(KeyError, match="probability_very/good"):
        TASK.predicted(pa.table(written))


def test_renumbered_classes_keep_their_rows_and_names():
    logits, labels = rows()
    before = Predicted(labels, TASK.decide(logits), TASK.probabilities(logits))
    other = SingleLabel(("very/good", "bad", "fair"))
    after = TASK.predicted_in(other.labels, before)
    assert TASK.in_order(other.labels) == other
    assert (TASK.labels_in(other.labels, labels) == after.labels).all()
    assert other.as_text(after.labels) == TASK.as_text(before.labels)
    assert other.as_text(after.predictions) == TASK.as_text(before.predictions)
    of_label = probability_of(before.labels, before.probabilities)
    assert (of_label == probability_of(after.labels, after.probabilities)).all()


def saved() -> np.ndarray:
    """All probabilities that float16 has, 0 and 1 included."""
    return np.arange(np.float16(1).view(np.uint16) + 1, dtype=np.uint16).view(np.float16).astype(np.float64)


@pytest.mark.parametrize("other", [lambda p: 1 - p, lambda p: p, np.zeros_like], ids=["the rest", "a tie", "nothing"])
def test_every_saved_probability_and_every_prediction_come_back(other):
    rounded = other(saved()).astype(np.float16).astype(np.float64)
    both = np.stack([saved(), rounded], axis=1)
    task = SingleLabel(("bad", "good"))
    for predictions in (both.argmax(1), 1 - both[:, ::-1].argmax(1)):
        logs = task.to_logs(Predicted(predictions, predictions, both))
        assert np.isfinite(logs).all()
        assert (np.sort(logs, axis=1)[:, 1] > np.sort(logs, axis=1)[:, 0]).all(), "no prediction is a tie"
        found = task.from_logs(logs, task.as_text(predictions))
        assert (found.labels == predictions).all()
        assert (found.predictions == predictions).all()
        assert (found.probabilities == both).all()
        assert (task.to_logs(found) == logs).all()

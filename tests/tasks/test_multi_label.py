"""Several labels per text: how they are read, what their scores are, and the thresholds that make them."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, precision_score, recall_score

from sentiment_hf.common.arrow_column import ArrowColumn
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import DataArguments
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.multi_label import MultiLabel, best_threshold
from sentiment_hf.tasks.read_task import read_task
from sentiment_hf.tasks.single_label import SingleLabel

NAMES = ("food", "price", "waiter")


def column(
    *cells, name: str = "label", classes: list[str] | None = None, label_map: dict | None = None
) -> LabelColumn:
    return LabelColumn(name, cells, "data.csv", lambda row: f"data.csv, line {row + 2}", classes, label_map or {})


def read(train: list[LabelColumn], test: list[LabelColumn] | None = None, **flags):
    columns = {"train": [train]} | ({"test": [test]} if test else {})
    task, labels = read_task(columns, DataArguments(**flags))
    return task, {split: found.astype(int).tolist() for split, found in labels.items()}


def test_probabilities_are_the_sigmoid_and_finite_for_any_logit():
    logits = np.array([[0, 1e4, -1e4], [3, -30, -80]], np.float32)
    probabilities = MultiLabel(NAMES).probabilities(logits)
    assert probabilities == pytest.approx(torch.tensor(logits).sigmoid().numpy(), rel=1e-5)
    assert probabilities.dtype == np.float32


@pytest.mark.parametrize(
    ("cells", "flags"),
    [
        ([["price", "food"], [], ["food"]], {}),
        (["price|food", "", "food"], {"label_delimiter": "|"}),
        ([" price, food ", None, "food,"], {"label_delimiter": ","}),
    ],
)
def test_lists_and_delimited_texts_are_sets_of_labels_and_may_be_empty(cells, flags):
    task, labels = read([column(*cells)], [column(*cells[2:])], **flags)
    assert task == MultiLabel(("food", "price"))
    assert labels == {"train": [[1, 1], [0, 0], [1, 0]], "test": [[1, 0]]}
    assert task.as_text(np.array(labels["train"])) == ["food|price", "", "food"]


def test_lists_of_arrow_are_read_like_lists_and_a_label_that_stands_twice_counts_once():
    cells = ArrowColumn(pa.chunked_array([[[2, 0], []], [[0, 0]]], pa.list_(pa.int64())))
    named = LabelColumn("labels", cells, "data.parquet", str, ["food", "none", "waiter"])
    task, labels = read([named])
    assert task.labels == ("food", "none", "waiter")
    assert labels["train"] == [[1, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert task.absent(np.array(labels["train"], bool)) == ["none"]


@pytest.mark.parametrize(
    "cells", [(1, 0, 1), ("1", "0", "1"), (1.0, 0.0, 1.0), (True, False, True), ("True", "false", "true")]
)
def test_a_column_for_each_label_is_read_in_the_order_of_the_flag(cells):
    columns = [column(*cells, name="waiter"), column(0, 0, 1, name="food")]
    task, labels = read(columns, label_column_names="waiter,food")
    assert task.labels == ("waiter", "food")
    assert labels["train"] == [[1, 0], [0, 0], [1, 1]]


@pytest.mark.parametrize(
    ("train", "flags", "said"),
    [
        ([column(["a"], "b")], {}, r"line 3: 'label' is 'b'; expected a list of labels; labels in one text are split"),
        ([column("a|b", 7)], {"label_delimiter": "|"}, r"line 3: 'label' is 7; expected text with '\|' between"),
        ([column([], [])], {}, "no row has a label in 'label'; there is nothing to learn"),
        ([column(["a"], ["a", None])], {}, r"line 3: the label in 'label' is missing"),
        ([column(["a|b"], ["c"])], {}, r"the label 'a\|b' contains '\|', which stands between"),
        (
            [column(1, 2, name="a"), column(0, 1, name="b")],
            {"label_column_names": "a,b"},
            "line 3: 'a' is '2'; with --label_",
        ),
        (
            [column("a", "b")],
            {"task": "multi_label"},
            "has one label per text in 'label'; expected lists, text that --label",
        ),
        (
            [column(["a"], ["b"])],
            {"task": "ordinal"},
            "--task ordinal wants one label per text, and data.csv has lists",
        ),
    ],
)
def test_what_is_no_set_of_labels_is_refused_by_its_place(train, flags, said):
    with pytest.raises(InputError, match=said):
        read(train, **flags)


def test_a_label_that_only_stands_in_test_is_refused():
    with pytest.raises(InputError, match=r"line 2: the label 'c' stands in test but in no row of train"):
        read([column(["a"], ["b"])], [column(["a", "c"])])


def test_one_class_per_text_stays_what_it_was():
    task, labels = read([column("a|b", "c")])
    assert task == SingleLabel(("a|b", "c"))
    assert labels["train"] == [0, 1]


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (("food|price", "food", "price", "price|food"), True),
        (("food, price", "food", "price", "waiter", "food, waiter"), True),
        (("a|b", "c"), False),
        (("rather, so-so", "good", "bad"), False),
    ],
)
def test_classes_that_look_like_several_labels_are_said(cells, said, caplog):
    read([column(*cells)])
    assert ("--label_delimiter" in caplog.text) == said


def some_rows(count: int = 203) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    logits = chance.normal(size=(count, 3)).astype(np.float32)
    return logits, logits + chance.normal(size=logits.shape) > (0.5, 0, 1.5)


def test_scores_are_those_of_scikit_learn():
    logits, labels = some_rows()
    task = MultiLabel(NAMES).tuned(logits, labels)
    chosen = task.decide(task.probabilities(logits))
    scores = task.scores(logits, labels)
    assert scores["subset_accuracy"] == (chosen == labels).all(1).mean()
    for how in ("micro", "macro"):
        assert scores[f"f1_{how}"] == pytest.approx(f1_score(labels, chosen, average=how))
    # A text that rightly has no label is right, for which scikit-learn has a flag.
    assert scores["f1_samples"] == pytest.approx(f1_score(labels, chosen, average="samples", zero_division=1))
    assert scores["average_precision_macro"] == pytest.approx(
        average_precision_score(labels, task.probabilities(logits))
    )
    for index, name in enumerate(NAMES):
        one, pair = scores["per_class"][name], (labels[:, index], chosen[:, index])
        assert one["precision"] == pytest.approx(precision_score(*pair))
        assert one["recall"] == pytest.approx(recall_score(*pair))
        assert one["f1"] == pytest.approx(f1_score(*pair))
        assert np.sum(one["confusion"]) == scores["rows"] == 203


def test_a_threshold_gives_the_largest_f1_that_there_is():
    logits, labels = some_rows()
    task = MultiLabel(NAMES)
    for probabilities, label in zip(task.probabilities(logits).T, labels.T, strict=True):
        precision, recall, _ = precision_recall_curve(label, probabilities)
        largest = (2 * precision * recall / np.maximum(precision + recall, 1e-9)).max()
        assert f1_score(label, probabilities >= best_threshold(probabilities, label)) == pytest.approx(largest)


def test_a_threshold_lies_between_two_probabilities_and_without_a_label_in_the_middle():
    assert best_threshold(np.array([0.9, 0.7, 0.2]), np.array([True, True, False])) == pytest.approx(0.45)
    assert best_threshold(np.array([0.4, 0.4, 0.1]), np.array([True, False, False])) == pytest.approx(0.25)
    assert best_threshold(np.array([0.9, 0.7]), np.array([True, True])) == pytest.approx(0.35)
    assert best_threshold(np.array([0.9, 0.7]), np.array([False, False])) == 0.5


def test_test_rows_never_choose_a_threshold():
    """While thresholds are open, what is logged is of the best ones; a model that only scores has the usual ones."""
    logits, labels = some_rows()
    open_task = MultiLabel(NAMES)
    assert (
        open_task.logged(logits, labels)["f1_macro"]
        == open_task.tuned(logits, labels).logged(logits, labels)["f1_macro"]
    )
    scored = open_task.as_saved({})
    assert scored.thresholds == (0.5, 0.5, 0.5)
    assert scored.logged(logits, labels)["f1_macro"] < open_task.logged(logits, labels)["f1_macro"]

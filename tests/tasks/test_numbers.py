"""Regression and ordered classes: how they are read, and what their scores are."""

from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from sklearn.metrics import cohen_kappa_score, mean_absolute_error, r2_score, root_mean_squared_error
from torch.nn.functional import binary_cross_entropy_with_logits

from custom_models.base import class_log_probabilities
from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import DataArguments, RunArguments
from sentiment_hf.tasks.label_column import LabelColumn
from sentiment_hf.tasks.ordinal import Ordinal
from sentiment_hf.tasks.read_task import read_task
from sentiment_hf.tasks.regression import Regression


def column(*cells, classes: list[str] | None = None, label_map: dict | None = None) -> LabelColumn:
    return LabelColumn("stars", cells, "data.csv", lambda row: f"data.csv, line {row + 2}", classes, label_map or {})


def read(train: LabelColumn, **flags):
    task, labels = read_task({"train": [[train]]}, DataArguments(**flags))
    return task, labels["train"].tolist()


def test_numbers_are_numbers_however_they_are_written():
    task, labels = read(column(1, 2.5, "3.25", " 4e2 ", Decimal("-1.5")), task="regression")
    assert task == Regression(("stars",))
    assert labels == [1, 2.5, 3.25, 400, -1.5]
    assert [float(text) for text in task.as_text(labels)] == labels


@pytest.mark.parametrize(
    ("train", "flags", "said"),
    [
        (column(1, "good"), {}, r"line 3: 'stars' is 'good'; --task regression wants a number in every row"),
        (column(1, None), {}, r"line 3: the number in 'stars' is missing"),
        (column(1, float("nan")), {}, r"line 3: the number in 'stars' is missing"),
        (column(1, float("inf")), {}, r"line 3: 'stars' is inf; --task regression wants a number"),
        (column(1, True), {}, r"line 3: 'stars' is True; --task regression wants a number"),
        (column(3, 3.0, "3"), {}, r"every row has the value 3 in 'stars'; there is nothing to learn"),
        (
            column(0, 1, classes=["bad", "good"]),
            {},
            r"'stars' holds classes \(bad, good\); a regression wants numbers",
        ),
        (column(1, 2, label_map={"1": "one"}), {}, "--label_map names classes, and the labels of a regression"),
    ],
)
def test_what_is_no_number_is_refused_by_its_place(train, flags, said):
    with pytest.raises(InputError, match=said):
        read(train, task="regression", **flags)


def test_many_decimals_are_refused_until_the_task_is_named():
    cells = [number / 10 for number in range(30)]
    with pytest.raises(InputError, match="a regression, --task regression"):
        read(column(*cells))
    assert read(column(*cells), task="regression")[1] == cells


def test_the_order_of_classes_is_that_of_their_numbers_or_of_the_flag():
    task, labels = read(column("10", "9", "1"), task="ordinal")
    assert (task, labels) == (Ordinal(("1", "9", "10")), [2, 1, 0])
    assert task.values.tolist() == [1, 9, 10]
    task, labels = read(column("good", "bad", "fair"), task="ordinal", label_order="bad, fair,good")
    assert (task, labels) == (Ordinal(("bad", "fair", "good")), [2, 0, 1])
    assert task.values.tolist() == [0, 1, 2]
    task, _ = read(column(0, 2, 1, classes=["bad", "fair", "good"]), task="ordinal")
    assert task.labels == ("bad", "fair", "good")


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ({}, r"'stars' are no numbers, so their order is not known; add --label_order \"bad,good\""),
        ({"label_order": "bad"}, "--label_order bad: expected each class of 'stars' once: bad, good"),
        ({"label_order": "bad,good,good"}, "expected each class of 'stars' once: bad, good"),
    ],
)
def test_an_order_that_is_not_known_is_asked_for(flags, said):
    with pytest.raises(InputError, match=said):
        read(column("good", "bad"), task="ordinal", **flags)


def test_scores_of_numbers_are_those_of_scikit_learn_and_scipy():
    chance = np.random.default_rng(0)
    labels = chance.normal(3, 2, 300)
    values = labels + chance.normal(0.2, 1, 300)
    scores = Regression(("stars",)).scores(values[:, None], labels)
    values = values.astype(np.float32).astype(float)
    assert scores["rmse"] == pytest.approx(root_mean_squared_error(labels, values))
    assert scores["mae"] == pytest.approx(mean_absolute_error(labels, values))
    assert scores["r2"] == pytest.approx(r2_score(labels, values))
    assert scores["spearman"] == pytest.approx(spearmanr(labels, values).statistic)
    for name in ("rmse", "mae", "r2", "spearman"):
        low, high = scores[f"{name}_interval"]
        assert low < scores[name] < high


def test_scores_of_ordered_classes_are_those_of_scikit_learn():
    chance = np.random.default_rng(0)
    logits, labels = chance.normal(size=(300, 5)), chance.integers(0, 5, 300)
    logits[np.arange(300), labels] += 1
    chosen = logits.argmax(1)
    scores = Ordinal(tuple("12345")).scores(logits, labels)
    assert scores["quadratic_kappa"] == pytest.approx(cohen_kappa_score(labels, chosen, weights="quadratic"))
    assert scores["mae"] == pytest.approx(mean_absolute_error(labels, chosen))
    assert scores["within_one"] == pytest.approx((np.abs(labels - chosen) <= 1).mean())
    assert scores["accuracy"] == pytest.approx((labels == chosen).mean())


def test_a_model_that_always_says_the_same_has_no_kappa_and_no_correlation():
    logits = np.tile([3.0, 0.0, 0.0], (10, 1))
    assert Ordinal(("1", "2", "3")).scores(logits, np.arange(10) % 3)["quadratic_kappa"] == 0
    scores = Regression(("stars",)).scores(np.full((10, 1), 2.0), np.arange(10.0))
    assert scores["spearman"] == 0
    assert scores["rmse"] > 0


def test_the_loss_of_ordered_classes_is_that_of_corn():
    """The loss of the paper: the cross-entropy of "is it above class k?" over the texts that are not below it."""
    chance = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(64, 4, generator=chance), torch.randint(0, 5, (64,), generator=chance)
    logits = class_log_probabilities(scores)
    assert logits.exp().sum(1).allclose(torch.ones(64))
    assert logits.log_softmax(1).allclose(logits, atol=1e-6), "pipeline() takes their softmax"
    # As the model adds it, so that scores of 0 are no opinion.
    asked = scores + torch.tensor([4.0, 3.0, 2.0, 1.0]).log()
    total = sum(
        binary_cross_entropy_with_logits(asked[labels >= k, k], (labels[labels >= k] > k).float(), reduction="sum")
        for k in range(4)
    )
    task = Ordinal(tuple("12345"))
    ours = task.loss(labels.numpy(), RunArguments(), 0.0)(SimpleNamespace(logits=logits), labels)
    assert ours.item() == pytest.approx(total.item() / 64, rel=1e-5)
    assert class_log_probabilities(torch.zeros(1, 4)).exp().allclose(torch.full((1, 5), 0.2))


def test_the_expected_value_is_the_mean_of_the_stars():
    task = Ordinal(("1", "2", "10"))
    probabilities = np.array([[0.5, 0.25, 0.25]])
    assert task.answer_columns(probabilities)["expected_value"] == [3.5]
    assert task.as_objects(probabilities)[0]["expected_value"] == 3.5
    named = Ordinal(("bad", "fair", "good"))
    assert "expected_value" not in named.answers

"""Intervals hold what they promise, statistics are those of the papers, tests raise no false alarm."""

import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.stats import binomtest
from sklearn.metrics import f1_score

from sentiment_hf.comparison.statistics.measures import (
    alike,
    holm,
    interval,
    mean_of,
    most_disputed,
    pareto,
    quintiles,
    reliability,
    variance_of,
)
from sentiment_hf.comparison.statistics.methods import methods_test, shared_spread, shared_test
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.paired import f1_difference, mcnemar
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.single_label import ACCURACY, LOG_LOSS, SingleLabel
from sentiment_hf.tasks.task import Predicted
from sentiment_hf.tasks.terms import calibration_terms, macro_f1_terms


def two_classifiers(rows: int, seed: int, right: tuple[float, float] = (0.8, 0.8)) -> tuple[np.ndarray, ...]:
    """Labels and two predictions, each right with its own chance."""
    chance = np.random.default_rng(seed)
    labels = chance.integers(0, 2, rows)
    return labels, *(np.where(chance.random(rows) < share, labels, 1 - labels) for share in right)


def test_calibration_error_and_reliability_by_hand():
    # Ten rows at 90 % of which 7 are right, ten at 55 % of which 6 are: 0.5 * 0.2 + 0.5 * 0.05.
    confidence = np.repeat([0.9, 0.55], 10)
    correct = np.array([1.0] * 7 + [0] * 3 + [1] * 6 + [0] * 4)
    assert calibration_terms(confidence, correct).mean() == pytest.approx(0.125)
    low, high = reliability(confidence, correct)
    assert low == {"confidence": pytest.approx(0.55), "accuracy": pytest.approx(0.6), "rows": 10}
    assert high == {"confidence": pytest.approx(0.9), "accuracy": pytest.approx(0.7), "rows": 10}


def test_a_bin_holds_its_upper_end():
    # (0.5333, 0.6] and (0.9333, 1], as in Guo et al.
    assert [bin["rows"] for bin in reliability(np.array([0.6, 0.601, 1.0, 0.94]), np.ones(4))] == [1, 1, 2]


@pytest.mark.parametrize("right", [0, 1, 150, 200])
def test_the_interval_of_one_seed_is_that_of_wilson(right):
    found = interval(np.repeat([[1.0, 0.0]], [right, 200 - right], axis=1), ACCURACY)
    expected = binomtest(right, 200).proportion_ci(0.95, method="wilson")
    assert found == pytest.approx({"value": right / 200, "low": expected.low, "high": expected.high})


def test_an_interval_over_seeds_by_hand():
    # Of each seed 80, 70, 60 of 100 rows are right, nested, so 60 rows are right thrice, 10 twice, 10 once.
    terms = (np.arange(100) < np.array([[80], [70], [60]])).astype(float)
    of_rows = (60 * 1 + 10 * 4 / 9 + 10 * 1 / 9) / 100 - 0.49
    variance = of_rows / 100 + 0.01 / 3
    freedom = 2 * (variance / (0.01 / 3)) ** 2
    # Student's t at 4 and 5 degrees of freedom is 2.776 and 2.571 by the usual table, and goes with 1 / freedom.
    assert freedom == pytest.approx(4.48, abs=0.01)
    t = 2.571 + (2.776 - 2.571) * (1 / freedom - 1 / 5) / (1 / 4 - 1 / 5)
    found = interval(terms, LOG_LOSS)
    half = found["high"] - found["value"]
    assert half == pytest.approx(t * variance**0.5, rel=0.003)
    assert (found["value"], found["low"]) == (pytest.approx(0.7), pytest.approx(0.7 - half))
    within = interval(terms, ACCURACY)
    assert 0 < within["low"] < 0.7 < within["high"] < 1


def test_order_of_rows_and_seeds_has_no_say():
    chance = np.random.default_rng(0)
    terms = (chance.random((3, 500)) < 0.9).astype(float)
    mixed = terms[::-1, chance.permutation(500)]
    assert interval(mixed, ACCURACY) == pytest.approx(interval(terms, ACCURACY))
    labels, a, b = two_classifiers(300, seed=0)
    order = chance.permutation(300)
    assert f1_difference(labels[order], a[order], b[order], 2) == f1_difference(labels, a, b, 2)


@pytest.mark.parametrize(("seeds", "rows", "spread"), [(1, 150, 0), (3, 400, 0.03), (3, 4000, 0.03), (5, 4000, 0.02)])
def test_the_interval_holds_the_truth_in_about_95_of_100_cases(seeds, rows, spread):
    chance = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        # Some rows are harder, all seeds see the same rows, and each seed has a level of its own; the mean is 0.8.
        difficulty = chance.uniform(0.65, 0.95, rows) + chance.normal(0, spread, (seeds, 1))
        found = interval((chance.random((seeds, rows)) < difficulty).astype(float), ACCURACY)
        held += found["low"] <= 0.8 <= found["high"]
    assert 0.92 <= held / 400 <= 0.99


def test_mcnemar_by_hand():
    labels = np.zeros(50, dtype=int)
    a, b = labels.copy(), labels.copy()
    a[:2], b[10:18] = 1, 1
    # 8 against 2: twice the chance of at most 2 heads in 10, 2 * (1 + 10 + 45) / 1024.
    assert mcnemar(a == labels, b == labels) == (8, 2, pytest.approx(112 / 1024))
    assert mcnemar(b == labels, a == labels) == (2, 8, pytest.approx(112 / 1024))


def test_a_model_does_not_differ_from_itself():
    labels, a, _ = two_classifiers(100, seed=0)
    assert mcnemar(a == labels, a == labels) == (0, 0, 1)
    assert f1_difference(labels, a, a, 2) == ({"value": 0, "low": 0, "high": 0}, 1)


def test_the_bootstrap_of_counts_is_that_of_rows():
    labels, a, b = two_classifiers(300, seed=3, right=(0.85, 0.78))
    found, p = f1_difference(labels, a, b, 2)
    chance = np.random.default_rng(1)
    draws = chance.integers(0, 300, (3000, 300))
    f1 = [np.array([macro_f1_terms(labels[rows], model[rows], 2).mean() for rows in draws]) for model in (a, b)]
    difference = f1[0] - f1[1]
    assert found["value"] == pytest.approx(f1_score(labels, a, average="macro") - f1_score(labels, b, average="macro"))
    assert [found["low"], found["high"]] == pytest.approx(np.quantile(difference, [0.025, 0.975]), abs=0.006)
    assert 0.001 < p < 0.2
    assert p == pytest.approx(2 * (difference <= 0).mean(), abs=0.02)


def test_equal_models_are_rarely_called_different():
    alarms = [f1_difference(*two_classifiers(300, seed), classes=2)[1] <= 0.05 for seed in range(200)]
    assert 0.01 <= np.mean(alarms) <= 0.1


def test_holm_by_hand():
    assert holm(np.array([0.01, 0.04, 0.03, 0.005])) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm(np.array([0.6, 0.5])) == pytest.approx([1, 1])
    assert holm(np.array([])).tolist() == []


def test_holm_is_never_below_the_raw_p_and_keeps_its_order():
    p = np.random.default_rng(0).random(50) ** 3
    adjusted = holm(p)
    assert (adjusted >= p).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()
    assert (adjusted <= np.minimum(50 * p, 1)).all()


def test_neighbours_without_a_difference_stand_together():
    differs = np.zeros((5, 5), dtype=bool)
    for a, b in [(0, 2), (0, 3), (0, 4), (1, 4), (2, 4), (3, 4)]:
        differs[a, b] = differs[b, a] = True
    assert [list(group) for group in alike(differs)] == [[0, 1], [1, 2, 3], [4]]
    assert [list(group) for group in alike(np.zeros((3, 3), dtype=bool))] == [[0, 1, 2]]
    assert [list(group) for group in alike(~np.eye(3, dtype=bool))] == [[0], [1], [2]]
    assert [list(group) for group in alike(np.zeros((1, 1), dtype=bool))] == [[0]]


def test_two_models_share_a_group_just_when_they_do_not_differ():
    """Also where one between them differs from the best: two methods of which little is known, and a trained model."""
    between = np.zeros((3, 3), dtype=bool)
    between[0, 1] = between[1, 0] = True
    assert alike(between) == [[0, 2], [1, 2]]
    chance = np.random.default_rng(0)
    for count in range(1, 9):
        differs = np.triu(chance.random((count, count)) < 0.4, 1)
        differs |= differs.T
        groups = alike(differs)
        together = [[any({a, b} <= set(group) for group in groups) for b in range(count)] for a in range(count)]
        assert np.array_equal(np.array(together), ~differs)
        assert not any(set(one) < set(other) for one in groups for other in groups)


def test_the_front_keeps_what_no_other_beats():
    costs, scores = np.array([1, 2, 3, 3, 2]), np.array([0.8, 0.9, 0.85, 0.95, 0.9])
    # The third is dearer and worse than the second; the fifth equals the second.
    assert pareto(costs, scores).tolist() == [True, True, False, True, True]


def test_equal_lengths_are_in_one_fifth():
    assert quintiles(np.arange(10)).tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(quintiles(np.array([5] * 8 + [9, 12])).tolist())) == 2


def test_disputed_rows_are_those_split_most_evenly():
    # Three against one, all agree, two against two, and two against two with more at stake.
    predictions = np.array([[0, 1, 0, 0], [0, 1, 0, 0], [0, 1, 1, 1], [1, 1, 1, 1]])
    certain = np.where(np.arange(4) == 3, 0.9, 0.6)
    probabilities = np.where(predictions[..., None] == np.arange(2), certain[:, None], 1 - certain[:, None])
    assert most_disputed(predictions, probabilities, 10).tolist() == [3, 2, 0]
    assert most_disputed(predictions, probabilities, 1).tolist() == [3]


def test_contradicted_rows_are_those_where_all_are_sure_of_the_same_other_class():
    labels = np.array([0, 0, 0, 0, 0])
    # Same wrong class at 0.95, one is right, two wrong classes, the label itself, same wrong class at 0.6.
    predictions = np.array([[1, 1, 1, 0, 2], [1, 0, 2, 0, 2]])
    sure = np.array([0.95, 0.99, 0.99, 0.99, 0.6])[:, None]
    probabilities = np.where(predictions[..., None] == np.arange(3), sure, (1 - sure) / 2)
    members = [Predicted(labels, *of_model) for of_model in zip(predictions, probabilities, strict=True)]
    assert SingleLabel(("a", "b", "c")).sureness(members).tolist() == pytest.approx([0.95, 0, 0, 0, 0.6])


def test_sets_of_labels_are_contradicted_as_surely_as_the_least_sure_of_the_wrong_labels():
    labels = np.array([[True, False, False]] * 3)
    # Two labels wrong, right, two models of different minds.
    predictions = np.array([[[0, 1, 0], [1, 0, 0], [0, 0, 1]], [[0, 1, 0], [1, 0, 0], [1, 0, 1]]], bool)
    probabilities = np.where(predictions, 0.8, [0.1, 0.2, 0.3])
    members = [Predicted(labels, *of_model) for of_model in zip(predictions, probabilities, strict=True)]
    assert MultiLabel(("a", "b", "c")).sureness(members).tolist() == pytest.approx([0.8, 0, 0])


def test_a_number_is_contradicted_by_models_that_all_err_to_one_side():
    values = np.array([[3.0, 1.0, 2.0], [5.0, 4.0, 2.5]])
    members = [Predicted(np.full(3, 2.0), of_model, of_model[:, None]) for of_model in values]
    assert Regression(("stars",)).sureness(members).tolist() == pytest.approx([1, 0, 0])


def test_mean_and_variance_are_those_of_one_array_to_the_last_bit():
    arrays = np.random.default_rng(0).random((7, 100, 3))
    assert (mean_of([*arrays]) == arrays.mean(0)).all()
    assert (variance_of([*arrays]) == arrays.var(0)).all()


# Methods over seeds and rows


@pytest.fixture
def calibration(monkeypatch):
    """The program that prints false alarms and power."""
    monkeypatch.syspath_prepend(Path(__file__).parents[2] / "benchmarks")
    import calibration

    yield calibration
    sys.modules.pop("calibration")


@pytest.mark.parametrize("seeds", [(2, 2), (3, 3), (2, 5), (3, 1)])
def test_equal_methods_are_called_different_in_at_most_6_of_100_cases(calibration, seeds):
    for spreads in ((0.5, 0.5), (0.5, 0.1), (0.1, 0.1)):
        # The method of one run is one on which the seed has no effect.
        spreads = tuple(0 if count == 1 else spread for count, spread in zip(seeds, spreads, strict=True))
        assert calibration.share_called_different(methods_test, 60, seeds, spreads, rows=6000) <= 0.06
    plain = calibration.share_called_different(calibration.mcnemar_of_first_runs, 60, seeds, (0.5, 0.5))
    assert plain > 0.2, "the draws are harmless: even a test of one run each passes"


def test_a_point_between_methods_is_found_with_three_seeds(calibration):
    assert calibration.share_called_different(methods_test, 100, (3, 3), (0.1, 0.1), points=1) >= 0.8


def test_pages_of_equal_methods_rarely_show_a_difference(calibration):
    assert calibration.share_of_pages_with_a_difference(20, rows=5000) <= 0.05


def test_with_many_seeds_and_few_rows_of_one_kind_the_test_is_the_t_test_of_the_seeds():
    # Every run has all rows alike, so that the rows say nothing beyond the difference itself.
    chance = np.random.default_rng(0)
    levels = chance.normal(0.8, 0.01, (2, 40))
    a, b = (np.repeat(level[:, None], 10_000, axis=1) + chance.normal(0, 0.05, (40, 10_000)) for level in levels)
    expected = stats.ttest_ind(a.mean(1), b.mean(1), equal_var=False).pvalue
    assert methods_test(a, b) == pytest.approx(expected, abs=0.02)


def test_a_spread_raises_p_and_the_order_of_methods_and_seeds_has_no_say():
    chance = np.random.default_rng(0)
    a, b = ((chance.random((3, 4000)) < share).astype(float) for share in (0.9, 0.88))
    alone = methods_test(a[:1], b[:1])
    assert alone == pytest.approx(mcnemar(a[0] == 1, b[0] == 1)[2], rel=0.3)
    assert methods_test(a, b) == pytest.approx(methods_test(b[::-1], a[::-1]))
    a[0, :400] = 0
    assert methods_test(a, b) > 0.2


def test_methods_without_any_difference_have_a_p_of_1():
    same = np.ones((3, 50))
    assert methods_test(same, same) == shared_test(same, same, shared_spread([same])) == 1
    assert methods_test(same[:1], same[:1]) == 1


def test_the_shared_spread_leaves_out_methods_that_the_seed_does_not_move():
    spread = shared_spread([np.array([[0.1, 0.1], [0.3, 0.3]]), np.array([[0.5], [0.5], [0.5]])])
    assert (spread.variance, spread.freedom) == (pytest.approx(0.02), 1)

"""Sets hold the label as often as they promise, whatever the model is worth."""

import math

import numpy as np
import pytest

from sentiment_hf.common.errors import InputError
from sentiment_hf.tasks.conformal import Conformal, Scores
from sentiment_hf.tasks.regression import Regression
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Predicted

CLASSES = SingleLabel(("a", "b", "c"))


def drawn(rows: int, seed: int, task=CLASSES) -> Predicted:
    """Predictions of a model that is right more often than not."""
    numbers = np.random.default_rng(seed)
    labels = numbers.choice(3, rows, p=(0.6, 0.3, 0.1))
    probabilities = task.probabilities(numbers.normal(size=(rows, 3)) + 1.5 * np.eye(3)[labels])
    return Predicted(labels, task.decide(probabilities), probabilities)


def fitted(predicted: Predicted, task=CLASSES) -> Conformal:
    against = task.against(predicted)
    by_label = {name: Scores.of(against[predicted.labels == number]) for number, name in enumerate(task.labels)}
    return Conformal(Scores.of(against), by_label)


@pytest.mark.parametrize("rows", [30, 157, 1000])
@pytest.mark.parametrize("level", [0.8, 0.9, 0.96])
def test_the_mean_coverage_over_many_validation_parts_is_at_least_the_level(rows, level):
    test, coverages = drawn(40_000, 0), []
    for seed in range(1, 120):
        largest = fitted(drawn(rows, seed)).largest(CLASSES.labels, level, per_class=False)
        coverages.append(CLASSES.set_scores(test, largest)["coverage"])
    assert np.mean(coverages) >= level - 0.004
    # The kept scores are a hundred: at most one more of a hundred rows, and one of the rows of validation.
    assert np.mean(coverages) <= level + 0.01 + 2 / rows + 0.004


def test_per_class_the_promise_holds_for_rare_classes_too():
    validation, test = drawn(20_000, 1), drawn(20_000, 2)
    of_each = {}
    for per_class in (False, True):
        sets = CLASSES.sets(test.probabilities, fitted(validation).largest(CLASSES.labels, 0.9, per_class))
        of_each[per_class] = [sets[test.labels == label, label].mean() for label in range(3)]
    assert min(of_each[True]) > 0.88
    assert min(of_each[False]) < min(of_each[True])


def test_the_threshold_is_the_score_of_the_rank_that_the_finite_sample_wants():
    scores = Scores.of(np.arange(1, 101) / 100)
    # 91 of 100 rows and the one that is asked about are 0.9 of 101.
    assert scores.largest(0.9) == pytest.approx(0.91)
    assert Scores.of(np.arange(19.0)).largest(0.95) == 18
    assert math.isinf(Scores.of(np.arange(18.0)).largest(0.95))
    assert math.isinf(Scores.of(np.array([])).largest(0.5))


def test_it_is_read_as_it_was_written_and_damage_is_said(tmp_path):
    found = fitted(drawn(50, 3))
    found.save(tmp_path)
    file = tmp_path / "conformal.json"
    assert Conformal.load(file) == found
    for content in ("{}", '{"of_all": {"rows": 3, "points": [1]}, "by_label": {}}', '{"of_all": [], "by_label": {}}'):
        file.write_text(content)
        with pytest.raises(InputError, match=r"conformal.json is damaged"):
            Conformal.load(file)


def test_too_few_rows_for_a_level_are_said():
    with pytest.raises(InputError, match="at least 99 rows of validation, and the model was validated on 50"):
        fitted(drawn(50, 3)).largest(CLASSES.labels, 0.99, per_class=False)


def test_sets_can_be_empty_or_full_and_then_the_model_abstains():
    probabilities = np.array([[0.9, 0.08, 0.02], [0.5, 0.45, 0.05], [0.4, 0.3, 0.3]])
    columns = CLASSES.set_columns(probabilities, np.array([0.55, 0.55, 0.55]))
    assert columns == {"set": ["a", "a|b", ""], "abstained": [False, True, True]}
    objects = CLASSES.set_objects(probabilities, np.array([1.0, 1.0, 1.0]))
    assert objects[0] == {"set": ["a", "b", "c"], "abstained": True}


def test_intervals_of_numbers_hold_the_label_as_often():
    task, numbers = Regression(("price",)), np.random.default_rng(0)

    def drawn_numbers(rows: int) -> Predicted:
        labels = numbers.normal(size=rows)
        found = (labels + numbers.normal(size=rows)).astype(np.float32)[:, None]
        return Predicted(labels, task.decide(found), found)

    largest = Conformal(Scores.of(task.against(drawn_numbers(2000))), {}).largest(task.labels, 0.9, per_class=False)
    found = task.set_scores(drawn_numbers(5000), largest)
    assert found["coverage"] == pytest.approx(0.9, abs=0.02)
    assert found["mean_width"] == pytest.approx(2 * 1.645, rel=0.1)
    columns = task.set_columns(np.array([[3.0]]), np.array([1.5]))
    assert columns == {"low": [1.5], "high": [4.5]}

"""The terms of a score average to that of scikit-learn, and spread as the score does."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score, log_loss, top_k_accuracy_score

from sentiment_hf.tasks.terms import (
    accuracy_terms,
    calibration_terms,
    confusion_counts,
    log_loss_terms,
    macro_f1_terms,
    top3_terms,
)


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, predictions and probabilities of 400 rows and four classes, the last of which never occurs."""
    chance = np.random.default_rng(0)
    labels = chance.integers(0, 3, 400)
    logits = chance.normal(size=(400, 4)) + 2 * np.eye(4)[labels]
    logits[:, 3] = -9
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return labels, probabilities.argmax(1), probabilities


def test_the_terms_of_a_score_average_to_that_of_scikit_learn(scored):
    labels, predictions, probabilities = scored
    assert accuracy_terms(labels, predictions).mean() == pytest.approx(accuracy_score(labels, predictions))
    f1 = f1_score(labels, predictions, average="macro")
    assert macro_f1_terms(labels, predictions, 4).mean() == pytest.approx(f1)
    expected = log_loss(labels, probabilities, labels=range(4))
    assert log_loss_terms(labels, probabilities).mean() == pytest.approx(expected)
    expected = top_k_accuracy_score(labels, probabilities, k=3, labels=range(4))
    assert top3_terms(labels, probabilities).mean() == pytest.approx(expected)
    assert (
        confusion_counts(labels, predictions, 4).tolist()
        == confusion_matrix(labels, predictions, labels=range(4)).tolist()
    )


def test_a_label_with_probability_zero_costs_what_the_smallest_float16_costs():
    probabilities = np.array([[1e-8, 1], [0.25, 0.75]], dtype=np.float16).astype(np.float64)
    assert probabilities[0, 0] == 0
    smallest = float(np.finfo(np.float16).smallest_subnormal)
    assert log_loss_terms(np.array([0, 0]), probabilities) == pytest.approx([-np.log(smallest), -np.log(0.25)])


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss", "calibration"])
def test_the_spread_of_the_terms_is_that_of_the_score_over_resampled_rows(scored, score):
    def terms(labels, predictions, probabilities):
        confidence = probabilities.max(1) ** 2  # badly calibrated, so that no gap is near 0
        return {
            "accuracy": lambda: accuracy_terms(labels, predictions),
            "f1": lambda: macro_f1_terms(labels, predictions, 4),
            "loss": lambda: log_loss_terms(labels, probabilities),
            "calibration": lambda: calibration_terms(confidence, (labels == predictions).astype(float)),
        }[score]()

    chance = np.random.default_rng(1)
    resampled = [terms(*(part[rows] for part in scored)).mean() for rows in chance.integers(0, 400, (2000, 400))]
    assert terms(*scored).std() / 20 == pytest.approx(np.std(resampled), rel=0.12)

"""Scores are those of the textbooks and of scikit-learn, over all rows at once."""

import evaluate
import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, classification_report, confusion_matrix, f1_score

from sentiment_hf.tasks.single_label import SingleLabel

NAMES = ["bad", "fair", "good"]
TASK, TWO = SingleLabel(tuple(NAMES)), SingleLabel(("no", "yes"))


@pytest.fixture
def rows() -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(0)
    return chance.normal(size=(203, 3)).astype(np.float32), chance.integers(0, 3, 203)


def test_accuracy_and_macro_scores_are_those_of_scikit_learn(rows):
    logits, labels = rows
    expected = classification_report(labels, logits.argmax(-1), target_names=NAMES, output_dict=True)
    scores = TASK.scores(logits, labels)
    assert scores["accuracy"] == pytest.approx(expected["accuracy"])
    for name, theirs in {"precision_macro": "precision", "recall_macro": "recall", "f1_macro": "f1-score"}.items():
        assert scores[name] == pytest.approx(expected["macro avg"][theirs])
    for name in NAMES:
        assert scores["per_class"][name] == pytest.approx(
            {"precision": expected[name]["precision"], "recall": expected[name]["recall"]}
            | {"f1": expected[name]["f1-score"], "rows": expected[name]["support"]}
        )
    assert scores["confusion"] == confusion_matrix(labels, logits.argmax(-1)).tolist()
    assert scores["rows"] == 203


def test_what_is_logged_in_training_is_what_the_report_says(rows):
    logits, labels = rows
    logged = TASK.logged(logits, labels)
    assert logged.items() <= TASK.scores(logits, labels).items()
    assert logged["f1_macro"] == pytest.approx(f1_score(labels, logits.argmax(-1), average="macro"))
    assert logged["accuracy"] == accuracy_score(labels, logits.argmax(-1))


def test_a_class_that_is_never_right_counts_as_zero_and_one_that_does_not_occur_not_at_all():
    logits = np.eye(3, dtype=np.float32)[[0, 0, 0, 1]]
    scores = TASK.scores(logits, np.array([0, 0, 1, 1]))
    # Class 0: precision 2/3, recall 1, F1 0.8. Class 1: precision 1, recall 1/2, F1 2/3. Class 2: nothing.
    assert scores["f1_macro"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert scores["per_class"]["good"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "rows": 0}
    # Class 1 is there and never predicted, class 2 is predicted and never there.
    logits = np.eye(3, dtype=np.float32)[[0, 0, 2]]
    assert TASK.scores(logits, np.array([0, 0, 1]))["f1_macro"] == pytest.approx(1 / 3)


def test_the_interval_is_that_of_wilson():
    logits = np.repeat(np.eye(2, dtype=np.float32), [180, 20], axis=0)
    low, high = TWO.scores(logits, np.zeros(200, dtype=int))["accuracy_interval"]
    # 180 of 200, z = 1.959964: (0.9 + z²/400 ± z sqrt(0.09/200 + z²/160000)) / (1 + z²/200).
    assert (low, high) == (pytest.approx(0.850594, abs=1e-5), pytest.approx(0.934330, abs=1e-5))


@pytest.mark.parametrize("right", [0, 5])
def test_the_interval_of_none_or_all_right_stays_a_share(right):
    logits = np.repeat(np.eye(2, dtype=np.float32), [right, 5 - right], axis=0)
    low, high = TWO.scores(logits, np.zeros(5, dtype=int))["accuracy_interval"]
    assert 0 <= low < high <= 1


def test_cross_entropy_is_that_of_torch(rows):
    logits, labels = rows
    expected = torch.nn.functional.cross_entropy(torch.from_numpy(logits).double(), torch.from_numpy(labels))
    assert TASK.evaluation_loss(logits, labels) == pytest.approx(expected.item(), rel=1e-12)
    assert TWO.evaluation_loss(np.array([[1000.0, 0.0]], dtype=np.float32), np.array([1])) == pytest.approx(1000)


def test_scores_need_no_cache_and_leave_no_file(rows, monkeypatch, tmp_path):
    # The folder is inside of a file, so that nobody can make it.
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", "/dev/null/metrics")
    monkeypatch.chdir(tmp_path)
    TASK.logged(*rows)
    assert not list(tmp_path.iterdir())

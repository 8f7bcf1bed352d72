"""A trained model is as sure as it is right: its logits are divided by temperatures, in its own weights."""

import json

import numpy as np
import pytest
import torch
from helpers import OTHER_TASKS, TINY, read_report, relabelled, run_baseline, run_flags, save_bert, write_data
from transformers import AutoModelForSequenceClassification, AutoTokenizer

import sentiment_hf
from custom_models import MODEL_NAMES
from custom_models.base import class_log_probabilities
from sentiment_hf.inference.classifier import load_trained
from sentiment_hf.models.temperature import divide_logits
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.multi_label import MultiLabel
from sentiment_hf.tasks.ordinal import Ordinal, corn_log_probabilities
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.temperature import fitted_temperature

TEXTS = ["a fine film", "bad , dull and long"]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


def both(data, home, *more, **model) -> tuple[dict, dict]:
    """The reports of the same run without and with calibration, in home/plain and home/calibrated."""
    plain = run_flags(data, home / "plain", "--calibrate", "none", *more, **model)
    return plain, run_flags(data, home / "calibrated", *more, **model)


def logits(folder) -> np.ndarray:
    """What any program gets from a checkpoint."""
    model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
    tokens = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**tokens).logits.numpy()


def adapter_logits(folder) -> np.ndarray:
    """What `predict` gets from a checkpoint or an adapter."""
    model, tokenizer = load_trained(ModelRef.in_folder(folder, flag="MODEL", trust_remote_code=False))
    with torch.no_grad():
        return model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits.numpy()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_the_checkpoint_of_every_model_gives_logits_divided_by_the_temperature(data, name, tmp_path):
    plain, calibrated = both(data, tmp_path, model=name)
    assert "calibration" not in plain
    found = calibrated["calibration"]
    assert len(set(found["temperatures"])) == 1
    assert found["temperatures"][0] != pytest.approx(1, abs=1e-6)
    config = json.loads((tmp_path / "calibrated" / "config.json").read_text())
    assert config["calibration_temperature"] == found["temperatures"]
    expected = logits(tmp_path / "plain") / found["temperatures"]
    np.testing.assert_allclose(logits(tmp_path / "calibrated"), expected, rtol=1e-3, atol=1e-4)
    assert calibrated["test"]["accuracy"] == plain["test"]["accuracy"]
    for part in ("validation", "test"):
        assert found[part]["before"]["loss"] == pytest.approx(plain[part]["loss"], rel=1e-4)
        assert found[part]["after"]["loss"] == pytest.approx(calibrated[part]["loss"])
    assert found["validation"]["after"]["loss"] < found["validation"]["before"]["loss"]
    results = json.loads((tmp_path / "calibrated" / "eval_results.json").read_text())
    assert results["eval_loss"] == pytest.approx(calibrated["validation"]["loss"])
    assert "Temperature scaling on validation" in (tmp_path / "calibrated" / "README.md").read_text()


def test_a_model_that_computes_in_half_precision_is_calibrated_too(data, tmp_path):
    more = ("--bf16", "true", "--num_train_epochs", 40, "--learning_rate", "3e-2", "--eval_strategy", "no")
    report = run_flags(data, tmp_path / "run", *more, model="custom-lstm")
    assert report["mixed_precision"] == "bf16"
    assert report["calibration"]["temperatures"][0] != pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("tuning", ["full", "head", "lora"])
def test_so_does_a_pretrained_one_and_an_adapter(data, tuning, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    _, report = both(data, tmp_path, "--tuning", tuning, model=bert, settings=())
    plain, calibrated = (adapter_logits(tmp_path / name) for name in ("plain", "calibrated"))
    np.testing.assert_allclose(calibrated, plain / report["calibration"]["temperatures"], rtol=1e-3, atol=1e-4)


def test_each_of_several_labels_has_its_own_and_numbers_have_none(data, tmp_path):
    for task, (labels, flags) in OTHER_TASKS.items():
        found = run_flags(relabelled(data, tmp_path / task, labels), tmp_path / f"{task}-run", *flags, settings=TINY)
        assert ("calibration" in found) == (task != "regression")
    temperatures = read_report(tmp_path / "multi_label-run")["calibration"]["temperatures"]
    assert len(set(temperatures)) == 2


@pytest.mark.parametrize("model", ["custom-fc", "bert"])
def test_the_scores_of_ordered_classes_are_divided(data, model, tmp_path):
    """Their logits are log-probabilities, made of the scores."""
    labels, words = OTHER_TASKS["ordinal"]
    ref = save_bert(tmp_path / "bert", data) if model == "bert" else model
    settings = () if model == "bert" else TINY
    ordered = relabelled(data, tmp_path / "ordered", labels)
    more = (*words, "--learning_rate", "1e-2")
    plain, calibrated = both(ordered, tmp_path, *more, model=ref, settings=settings)
    (temperature,) = set(calibrated["calibration"]["temperatures"])
    assert temperature != pytest.approx(1, abs=1e-4)
    for part in ("validation", "test"):
        assert calibrated["calibration"][part]["before"]["loss"] == pytest.approx(plain[part]["loss"], rel=1e-4)
        assert calibrated["calibration"][part]["after"]["loss"] == pytest.approx(calibrated[part]["loss"])
    assert calibrated["validation"]["loss"] < plain["validation"]["loss"]
    scores = 3 * np.random.default_rng(0).normal(size=(5, 3))
    task, constant = Ordinal(("1", "2", "3", "4"), head="corn"), np.log([3, 2, 1])
    once = corn_log_probabilities(scores + constant)
    np.testing.assert_allclose(np.exp(once).sum(1), 1)
    expected = corn_log_probabilities(scores / 2 + constant)
    np.testing.assert_allclose(task.tempered(once, np.full(3, 2.0)), expected)
    ours = class_log_probabilities(torch.tensor(scores))
    np.testing.assert_allclose(ours.numpy(), once)


@pytest.mark.parametrize("task", ["single_label", *OTHER_TASKS])
def test_a_baseline_is_as_sure_as_it_is_right_too(data, task, tmp_path):
    labels, words = OTHER_TASKS.get(task, (None, ()))
    rows = relabelled(data, tmp_path / "rows", labels) if labels else data
    name = "baseline-ridge-tfidf" if task == "regression" else "baseline-nb-svm"
    plain = run_baseline(rows, tmp_path / "plain", name, *words, "--calibrate", "none")
    calibrated = run_baseline(rows, tmp_path / "calibrated", name, *words)
    if task == "regression":
        assert "calibration" not in calibrated
        return
    found = calibrated["calibration"]
    assert "calibration" not in plain
    for part in ("validation", "test"):
        assert found[part]["before"]["loss"] == pytest.approx(plain[part]["loss"], rel=1e-4)
        assert found[part]["after"]["loss"] == pytest.approx(calibrated[part]["loss"])
    assert calibrated["validation"]["loss"] < plain["validation"]["loss"]
    answers = sentiment_hf.predict(tmp_path / "calibrated", TEXTS)
    assert [one["scores"] for one in answers] != [
        one["scores"] for one in sentiment_hf.predict(tmp_path / "plain", TEXTS)
    ]
    assert calibrated["parameters"] == plain["parameters"]
    again = run_baseline(rows, tmp_path / "refit", name, *words, "--refit")
    assert again["calibration"]["temperatures"] == pytest.approx(found["temperatures"])


def test_support_vector_machines_have_sigmoids_instead(data, tmp_path):
    assert "calibration" not in run_baseline(data, tmp_path / "run", "baseline-svm-bow")


def test_a_second_fit_has_the_temperature_of_the_first(data, tmp_path):
    first = run_flags(data, tmp_path / "first")
    second = run_flags(data, tmp_path / "second", "--refit")
    assert second["calibration"]["temperatures"] == pytest.approx(first["calibration"]["temperatures"])
    assert second["validation"]["loss"] == pytest.approx(first["validation"]["loss"])


def test_the_temperature_is_the_one_by_which_logits_were_multiplied():
    numbers = np.random.default_rng(0)
    logits = numbers.normal(size=(4000, 3))
    task = SingleLabel(("a", "b", "c"))
    labels = (logits + numbers.gumbel(size=logits.shape)).argmax(1)
    np.testing.assert_allclose(task.temperatures(2.5 * logits, labels), 2.5, rtol=0.1)
    marks = numbers.random(logits.shape) < 1 / (1 + np.exp(-logits))
    found = MultiLabel(("a", "b", "c")).temperatures(logits * [0.5, 1, 3], marks)
    np.testing.assert_allclose(found, [0.5, 1, 3], rtol=0.15)


def test_a_few_rows_that_are_all_right_make_no_model_sure_beyond_measure():
    logits = np.array([[1.0, -1.0], [-1.0, 1.0]] * 5)
    found = SingleLabel(("a", "b")).temperatures(logits, logits.argmax(1))
    assert 0.2 < found[0] < 1
    assert fitted_temperature(lambda number: 0.0) == pytest.approx(1, abs=1e-3)


def halved(logits: torch.Tensor) -> torch.Tensor:
    return logits / 2


def test_a_model_that_does_more_with_the_outputs_of_its_last_layer_stays_as_it_was(data, tmp_path):
    model = AutoModelForSequenceClassification.from_pretrained(save_bert(tmp_path, data)).eval()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    tokens = AutoTokenizer.from_pretrained(tmp_path)(TEXTS, padding=True, return_tensors="pt")
    assert not divide_logits(model, np.array([2.0, 2.0]), lambda: model(**tokens).logits.exp(), halved)
    assert not divide_logits(model, np.array([2.0, 2.0, 2.0]), lambda: model(**tokens).logits, halved)
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert divide_logits(model, np.array([2.0, 2.0]), lambda: model(**tokens).logits, halved)

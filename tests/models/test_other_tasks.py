"""Heads of others for another task: what is clear predicts, what is not is refused; training gives a new head."""

import json

import pytest
import torch
from helpers import flags, run_flags, save_bert, weights, write_data
from transformers import AutoModelForSequenceClassification, pipeline

from sentiment_hf.cli import predict_command, run_command

ONE_OUTPUT = ({"num_labels": 1}, "one output (regression, or the score of one label)")
NUMBERS = ({"id2label": {0: "negative", 1: "positive"}, "problem_type": "regression"}, "several numbers per text")
SEVERAL = (
    {"id2label": {0: "toxic", 1: "obscene"}, "problem_type": "multi_label_classification"},
    "several labels per text (multi-label classification)",
)
NUMBER = ({"num_labels": 1, "problem_type": "regression"}, "a number per text (regression)")
UNUSABLE = [
    ONE_OUTPUT,
    ({"num_labels": 1, "problem_type": "single_label_classification"}, ONE_OUTPUT[1]),
    ({"num_labels": 2, "problem_type": "regression"}, NUMBERS[1]),
    NUMBERS,
]


def with_head(tmp_path, **settings):
    """(data, folder of a BERT whose head was saved with these settings)."""
    data = write_data(tmp_path / "data", train=24)
    folder = save_bert(tmp_path / "bert", data, initializer_range=0.3)
    if "id2label" in settings:
        settings["label2id"] = {name: index for index, name in settings["id2label"].items()}
    AutoModelForSequenceClassification.from_pretrained(folder, **settings).save_pretrained(folder)
    return data, folder


@pytest.mark.parametrize(("settings", "kind"), UNUSABLE)
def test_a_head_whose_outputs_are_not_clear_is_refused_by_its_kind(tmp_path, capsys, settings, kind):
    data, folder = with_head(tmp_path, **settings)
    scored = flags(data, tmp_path / "out", "--do_predict", model=folder, settings=())
    for command, argv in ((predict_command, [str(folder), "a fine film"]), (run_command, scored)):
        assert command(argv) == 2
        *_, error = capsys.readouterr().err.splitlines()
        assert kind in error
        assert "train it with a new head" in error
        assert len(error) < 500
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("settings", "kind"), [SEVERAL, NUMBER])
def test_a_head_for_another_task_predicts_and_does_not_score_one_class_per_text(tmp_path, capsys, settings, kind):
    data, folder = with_head(tmp_path, **settings)
    assert predict_command([str(folder), "a fine film"]) == 0
    *answer, _ = capsys.readouterr().out.rstrip().split("\t")
    theirs = pipeline("text-classification", str(folder), device="cpu")("a fine film", top_k=None)
    scores = {one["label"]: one["score"] for one in theirs}
    if settings is NUMBER[0]:
        assert float(answer[0]) == pytest.approx(scores["LABEL_0"], rel=1e-4)
    else:
        assert answer[0] == "|".join(sorted(label for label, score in scores.items() if score >= 0.5))
        assert answer[1] == "  ".join(f"{label} {scores[label]:.4f}" for label in ("toxic", "obscene"))
    assert run_command(flags(data, tmp_path / "out", "--do_predict", model=folder, settings=())) == 2
    error = capsys.readouterr().err
    assert f"its head is for {kind}, and the data have one class per text: train it with a new head" in error
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("settings", [ONE_OUTPUT[0], NUMBERS[0], SEVERAL[0], NUMBER[0]])
def test_training_replaces_a_head_for_another_task(tmp_path, caplog, settings):
    data, folder = with_head(tmp_path, **settings)
    rate = ["--learning_rate", 0, "--warmup_steps", 0]
    report = run_flags(data, tmp_path / "run", *rate, model=folder, settings=())
    assert "its head is made new" in caplog.text
    assert report["labels"] == ["negative", "positive"]
    before, after = (weights(path)["classifier.weight"] for path in (folder, tmp_path / "run"))
    assert before.shape != after.shape or not torch.equal(before, after)
    assert predict_command([str(tmp_path / "run"), "a fine film"]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["problem_type"] == "single_label_classification"


def test_an_adapter_of_such_a_model_has_the_task_that_it_was_trained_for(tmp_path, capsys):
    data, folder = with_head(tmp_path, **ONE_OUTPUT[0])
    run_flags(data, tmp_path / "run", "--tuning", "lora", model=folder, settings=())
    assert predict_command([str(tmp_path / "run"), "a fine film"]) == 0
    (tmp_path / "run" / "labels.json").unlink()
    assert predict_command([str(tmp_path / "run"), "a fine film"]) == 2
    assert ONE_OUTPUT[1] in capsys.readouterr().err

"""A head for regression or for several labels per text is refused by its kind; training gives it a new head."""

import json

import pytest
import torch
from helpers import flags, run_flags, save_bert, weights, write_data
from transformers import AutoModelForSequenceClassification

from sentiment_hf.cli import predict_command, run_command

REGRESSION = ({"num_labels": 1}, "one output (regression")
OTHER = [
    REGRESSION,
    ({"num_labels": 1, "problem_type": "single_label_classification"}, "one output (regression"),
    ({"num_labels": 2, "problem_type": "regression"}, "(regression)"),
    ({"id2label": {0: "negative", 1: "positive"}, "problem_type": "regression"}, "(regression)"),
    ({"num_labels": 3, "problem_type": "multi_label_classification"}, "(multi-label classification)"),
    (
        {"id2label": {0: "toxic", 1: "obscene"}, "problem_type": "multi_label_classification"},
        "(multi-label classification)",
    ),
]


def with_head(tmp_path, **settings):
    """(data, folder of a BERT whose head was saved with these settings)."""
    data = write_data(tmp_path / "data", train=24)
    folder = save_bert(tmp_path / "bert", data, initializer_range=0.3)
    if "id2label" in settings:
        settings["label2id"] = {name: index for index, name in settings["id2label"].items()}
    AutoModelForSequenceClassification.from_pretrained(folder, **settings).save_pretrained(folder)
    return data, folder


@pytest.mark.parametrize(("settings", "kind"), OTHER)
def test_predict_and_scoring_refuse_a_head_for_another_task_by_its_kind(tmp_path, capsys, settings, kind):
    data, folder = with_head(tmp_path, **settings)
    scored = flags(data, tmp_path / "out", "--do_predict", model=folder, settings=())
    for command, argv in ((predict_command, [str(folder), "a fine film"]), (run_command, scored)):
        assert command(argv) == 2
        *_, error = capsys.readouterr().err.splitlines()
        assert kind in error
        assert "train it with a new head" in error
        assert len(error) < 500
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("settings", "kind"), [OTHER[0], OTHER[3], OTHER[5]])
def test_training_replaces_a_head_for_another_task(tmp_path, caplog, settings, kind):
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
    data, folder = with_head(tmp_path, **REGRESSION[0])
    run_flags(data, tmp_path / "run", "--tuning", "lora", model=folder, settings=())
    assert predict_command([str(tmp_path / "run"), "a fine film"]) == 0
    (tmp_path / "run" / "labels.json").unlink()
    assert predict_command([str(tmp_path / "run"), "a fine film"]) == 2
    assert REGRESSION[1] in capsys.readouterr().err

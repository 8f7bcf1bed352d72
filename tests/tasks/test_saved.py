"""What was saved says its task; reports from before there were tasks are of one class per text."""

from pathlib import Path

import pytest
from transformers import AutoConfig

from custom_models import MODEL_NAMES
from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.report import Report
from sentiment_hf.tasks.saved import task_of_model
from sentiment_hf.tasks.single_label import SingleLabel

OLD = {"model": "custom-gru", "tuning": "scratch", "dataset": "reviews", "labels": ["bad", "good"], "data": {}}


def test_a_report_comes_back_with_its_task_and_an_old_one_is_of_single_label():
    report = Report.from_json(OLD, Path("run", "report.json"))
    assert report.as_task() == SingleLabel(("bad", "good"))
    content = report.as_json()
    assert content["task"] == "single_label"
    assert Report.from_json(content, Path("run", "report.json")).as_task() == report.as_task()


def test_a_report_of_another_task_is_refused_by_its_folder():
    report = Report.from_json(OLD | {"task": "ranking"}, Path("run", "report.json"))
    with pytest.raises(
        InputError, match=r"run: the task 'ranking' is not known, only single_label, multi_label, .*upd"
    ):
        report.as_task()
    report = Report.from_json(OLD | {"task_settings": {"margin": 1}}, Path("run", "report.json"))
    with pytest.raises(InputError, match=r"run: the settings {'margin': 1} of the task single_label are not known"):
        report.as_task()


@pytest.mark.parametrize("name", [*MODEL_NAMES, "bert"])
def test_a_model_has_the_labels_of_its_config_by_their_ids(name):
    labels = {2: "good", 0: "bad", 1: "so-so"}
    config = AutoConfig.for_model(name, id2label=labels, label2id={label: id for id, label in labels.items()})
    assert task_of_model(config) == SingleLabel(("bad", "so-so", "good"))

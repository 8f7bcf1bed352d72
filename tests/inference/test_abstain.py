"""`--abstain`: every kind of model says with a given certainty what a text may be, and of which it says nothing."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from helpers import OTHER_TASKS, read_report, relabelled, run_baseline, run_flags, save_bert, write_csv, write_data

import sentiment_hf
from sentiment_hf.cli import ensemble_command, export_command, predict_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.abstention import abstention_entry, fitted_scores
from sentiment_hf.tasks.single_label import SingleLabel

TEXT = "a fine film"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"), validation=40)


@pytest.fixture(scope="module")
def made(data, tmp_path_factory):
    """Folders of a model, a baseline, an adapter, an ensemble and an exported graph."""
    home = tmp_path_factory.mktemp("made")
    run_flags(data, home / "model", "--num_train_epochs", 6, "--learning_rate", "1e-2")
    run_baseline(data, home / "baseline", "baseline-logistic-regression-bow")
    bert = save_bert(home / "bert", data)
    run_flags(data, home / "adapter", "--tuning", "lora", model=bert, settings=())
    assert ensemble_command([str(home / "model"), str(home / "baseline"), "--output_dir", str(home / "ensemble")]) == 0
    assert export_command([str(home / "model"), "--output_dir", str(home / "graph")]) == 0
    return home


@pytest.mark.parametrize("kind", ["model", "baseline", "adapter", "ensemble", "graph"])
def test_every_kind_of_model_gives_sets_that_hold_the_labels_of_validation(data, made, kind, tmp_path, capsys):
    output = tmp_path / "rows.parquet"
    words = [str(made / kind), "--file", str(data / "validation.csv"), "--abstain", "0.8", "--output", str(output)]
    assert predict_command(words) == 0
    rows = pq.read_table(output).to_pylist()
    hits = [row["label"] in row["set"].split("|") for row in rows]
    # Of 40 rows 33 are 0.8 of 41; the kept scores are rounded up.
    assert sum(hits) >= 33
    for row in rows:
        assert row["abstained"] == (row["set"].count("|") != 0 or row["set"] == "")
        assert row["abstained"] or row["set"] == row["prediction"]
    answer = sentiment_hf.predict(made / kind, [rows[0]["text"]], abstain=0.8)[0]
    assert "|".join(answer["set"]) == rows[0]["set"]
    assert answer["abstained"] == rows[0]["abstained"]
    capsys.readouterr()
    assert predict_command([str(made / kind), TEXT, "--abstain", "0.8", "--abstain_per_class"]) == 0
    assert "\tabstained " in capsys.readouterr().out


def test_more_certainty_makes_larger_sets(data, made):
    texts = [line.rsplit(",", 1)[0] for line in (data / "test.csv").read_text().splitlines()[1:]]
    sizes = [
        sum(len(answer["set"]) for answer in sentiment_hf.predict(made / "model", texts, abstain=level))
        for level in (0.1, 0.5, 0.9, 0.97)
    ]
    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[-1]


def test_the_report_says_how_the_sets_do_on_test(data, made):
    report = read_report(made / "model")["abstention"]
    assert report["rows"] == 40
    # 99 % want 99 rows of validation.
    assert [one["level"] for one in report["levels"]] == [0.9, 0.95]
    rows = [line.rsplit(",", 1) for line in (data / "test.csv").read_text().splitlines()[1:]]
    answers = sentiment_hf.predict(made / "model", [text.strip('"') for text, _ in rows], abstain=0.9)
    found, hits = report["levels"][0], [row[1] in one["set"] for row, one in zip(rows, answers, strict=True)]
    assert found["coverage"] == pytest.approx(np.mean(hits))
    assert found["mean_size"] == pytest.approx(np.mean([len(answer["set"]) for answer in answers]))
    assert found["abstained"] == pytest.approx(np.mean([answer["abstained"] for answer in answers]))
    assert report["risk_by_coverage"][-1]["risk"] == pytest.approx(1 - read_report(made / "model")["test"]["accuracy"])
    assert "Abstention" in (made / "model" / "README.md").read_text()


def test_numbers_have_intervals_and_several_labels_have_sets_already(data, tmp_path, capsys):
    for task in ("regression", "multi_label"):
        labels, flags = OTHER_TASKS[task]
        run_flags(relabelled(data, tmp_path / f"{task}-data", labels), tmp_path / task, *flags)
    (answer,) = sentiment_hf.predict(tmp_path / "regression", [TEXT], abstain=0.8)
    assert answer["low"] < answer["value"] < answer["high"]
    assert predict_command([str(tmp_path / "multi_label"), TEXT, "--abstain", "0.8"]) == 2
    assert "multi_label, whose answers are sets already" in capsys.readouterr().err
    assert predict_command([str(tmp_path / "regression"), TEXT, "--abstain", "0.8", "--abstain_per_class"]) == 2
    assert "which has no classes" in capsys.readouterr().err


def test_what_cannot_be_is_refused_in_one_line(data, made, tmp_path, capsys):
    shutil.copytree(made / "model", tmp_path / "older")
    (tmp_path / "older" / "conformal.json").unlink()
    broken = shutil.copytree(made / "model", tmp_path / "broken")
    (broken / "conformal.json").write_text("{")
    taken = write_csv(tmp_path / "taken.csv", [(TEXT, "x")], ("text", "set"))
    for folder, more, said in (
        (made / "model", ("--abstain", "95"), "expected a certainty between 0 and 1"),
        (made / "model", ("--abstain", "0.999"), "at least 999 rows of validation"),
        (made / "model", ("--abstain_per_class",), "which is not given"),
        (tmp_path / "older", ("--abstain", "0.8"), "has no scores of validation (conformal.json)"),
        (broken, ("--abstain", "0.8"), "conformal.json"),
        (made / "model", ("--file", taken, "--abstain", "0.8"), "has a column 'set' already"),
    ):
        words = [str(folder), *map(str, more)]
        assert predict_command(words if "--file" in more else [*words, TEXT]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert "Traceback" not in error
    with pytest.raises(InputError, match="give the folder"):
        sentiment_hf.predict(sentiment_hf.load(made / "model"), [TEXT], abstain=0.8)


def test_a_test_part_that_is_not_like_validation_is_said(caplog):
    numbers, task = np.random.default_rng(0), SingleLabel(("a", "b"))
    labels = numbers.integers(2, size=2000)
    logits = numbers.normal(size=(2000, 2)) + 2 * np.eye(2)[labels]
    scored = {"validation": (logits, labels), "test": (logits[::-1], labels[::-1])}
    assert abstention_entry(task, fitted_scores(task, scored), scored)["levels"]
    assert not caplog.records
    scored["test"] = (logits, np.where(numbers.random(2000) < 0.2, 1 - labels, labels))
    abstention_entry(task, fitted_scores(task, scored), scored)
    assert "test is not like validation" in caplog.text


def test_it_travels(made):
    kept = json.loads((made / "graph" / "conformal.json").read_text())
    assert kept == json.loads((made / "model" / "conformal.json").read_text())

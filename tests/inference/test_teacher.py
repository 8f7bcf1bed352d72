"""A model that is taught by another one: every kind of teacher, every model, every task; asked once, and said."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from helpers import (
    BAD,
    GOOD,
    OTHER_TASKS,
    TINY,
    Stop,
    flags,
    read_report,
    relabelled,
    reviews,
    run_baseline,
    run_flags,
    run_until,
    save_bert,
    weights,
    write_csv,
    write_data,
)
from transformers import pipeline

import sentiment_hf.inference.teacher
from custom_models import MODEL_NAMES
from sentiment_hf.cli import compare_command, distill_command, run_command
from sentiment_hf.cli.run import make_run
from sentiment_hf.common.errors import InputError
from sentiment_hf.data.splits import load_splits
from sentiment_hf.inference.make_ensemble import make_ensemble
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.inference.teacher import gains_by_bf16
from sentiment_hf.runs.origin import beside_labels
from sentiment_hf.runs.report import Report
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.settings.run_flags import parse_run

ALONE = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def texts(data) -> Path:
    """Texts without labels: 60 of their own, two of test, one of train, one twice, one empty."""
    own = [text for text, _ in reviews(ALONE, 9)]
    known = [line.rsplit(",", 1)[0] for part in ("test", "train") for line in (data / f"{part}.csv").open()]
    return write_csv(data / "alone.csv", [(text,) for text in [*own, *known[1:3], known[-1], own[0], ""]], ("text",))


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory) -> Path:
    """Certain of its answers, which are those of the labels."""
    folder = tmp_path_factory.mktemp("teacher")
    run_flags(data, folder, "--num_train_epochs", 40, "--learning_rate", "1e-2", "--eval_strategy", "no")
    return folder


def taught(data, output, teacher, texts, *more, **model) -> dict:
    """The report of a run with a teacher."""
    words = flags(data, output, "--teacher", teacher, "--unlabelled_file", texts, *more, **model)
    return make_run(parse_run(words)).as_json()


@pytest.mark.parametrize("name", MODEL_NAMES)
def test_every_model_learns_from_a_teacher_and_stays_a_plain_checkpoint(data, texts, teacher, name, tmp_path):
    report = taught(data, tmp_path / "run", teacher, texts, model=name)
    assert report["data"]["teacher"] == {"name": str(teacher), "commit": None, "asked": {"unlabelled": ALONE}}
    kept = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"config.json", "model.safetensors", "README.md"} <= kept
    answer = pipeline("text-classification", str(tmp_path / "run"), trust_remote_code=True)("a fine film")
    assert answer[0]["label"] in ("negative", "positive")
    assert f"learned what a teacher said, {teacher}" in (tmp_path / "run" / "README.md").read_text().replace("\\", "")


@pytest.mark.parametrize("tuning", ["full", "head", "lora"])
def test_so_does_a_pretrained_one(data, texts, teacher, tuning, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    report = taught(data, tmp_path / "run", teacher, texts, "--tuning", tuning, model=bert, settings=())
    assert report["data"]["teacher"]["asked"] == {"unlabelled": ALONE}


def test_of_the_texts_those_that_stand_in_the_data_and_empty_or_repeated_ones_are_left_out_and_counted(
    data, texts, teacher, tmp_path
):
    found = taught(data, tmp_path, teacher, texts)["data"]["unlabelled"]
    counted = {name: count for name, count in found["left_out"].items() if count}
    assert found["rows"] + sum(counted.values()) == ALONE + 5
    assert (counted["empty"], counted["repeated"]) == (1, 1)
    assert counted["in_test"] >= 2
    assert counted["in_train"] >= 1
    card = (tmp_path / "README.md").read_text()
    assert f"{found['rows']} of alone.csv" in card
    assert f"{counted['in_test']} of them in test" in card


def test_what_the_teacher_knows_reaches_the_student(data, teacher, tmp_path):
    """Words that no text with a label has get the class that the teacher gives the texts around them."""
    words = [(word, "sparkling") for word in GOOD] + [(word, "gloomy") for word in BAD]
    new = [(f"{word} the film was {other} {count}",) for word, other in words for count in range(8)]
    texts = write_csv(tmp_path / "new.csv", new, ("text",))
    long = ("--num_train_epochs", "30", "--learning_rate", "1e-2", "--eval_strategy", "no")
    taught(data, tmp_path / "run", teacher, texts, *long, model="custom-fc")
    scorer = load_scorer(ModelRef.in_folder(tmp_path / "run"))
    good, bad = scorer.classify(["the film was sparkling", "the film was gloomy"], 2)[:, 1]
    assert good > 0.6 > 0.4 > bad


def kinds_of_teachers(data, out: Path) -> dict[str, Path]:
    """A folder of each kind of model."""
    bert = save_bert(out / "bert", data)
    run_flags(data, out / "lora", "--tuning", "lora", model=bert, settings=())
    run_flags(data, out / "fc", model="custom-fc")
    run_baseline(data, out / "nb", "baseline-nb-svm")
    make_ensemble([out / "fc", out / "nb"], str(out / "both"), "mean", overwrite=False)
    return {name: out / name for name in ("lora", "fc", "nb", "both")}


def test_a_checkpoint_an_adapter_a_baseline_and_an_ensemble_can_teach(data, texts, tmp_path):
    for name, folder in kinds_of_teachers(data, tmp_path / "teachers").items():
        report = taught(data, tmp_path / name, folder, texts)
        assert report["data"]["teacher"]["asked"] == {"unlabelled": ALONE}


def test_a_teacher_that_has_learned_from_validation_is_said_to_flatter_there(data, texts, teacher, tmp_path, caplog):
    run_flags(data, tmp_path / "twice", "--refit")
    members = [tmp_path / "twice", teacher]
    make_ensemble(members, str(tmp_path / "both"), "mean", False)
    for name, teaches in (("from-run", tmp_path / "twice"), ("from-ensemble", tmp_path / "both")):
        caplog.clear()
        report = taught(data, tmp_path / name, teaches, texts)
        assert report["data"]["teacher"]["learned_from_validation"] is True
        assert "has learned from validation (--refit), so validation flatters" in caplog.text
        assert beside_labels(Report.load(tmp_path / name)).startswith(
            f"taught by {teaches.name}, which had learned from validation"
        )
    caplog.clear()
    report = taught(data, tmp_path / "from-once", teacher, texts)
    assert "learned_from_validation" not in report["data"]["teacher"]
    assert "flatters" not in caplog.text


@pytest.mark.parametrize("task", OTHER_TASKS)
def test_models_of_every_task_can_be_taught(data, texts, task, tmp_path):
    labels, task_flags = OTHER_TASKS[task]
    own = relabelled(data, tmp_path / "data", labels)
    run_flags(own, tmp_path / "teacher", *task_flags)
    report = taught(own, tmp_path / "run", tmp_path / "teacher", texts, *task_flags, model="custom-fc")
    assert report["task"] == task


def test_a_teacher_that_did_not_see_train_is_asked_about_it_too_and_about_validation_for_a_second_fit(
    data, texts, tmp_path
):
    other = write_data(tmp_path / "other", test=30)
    run_flags(other, tmp_path / "teacher")
    report = taught(data, tmp_path / "run", tmp_path / "teacher", texts, "--refit")
    assert report["data"]["teacher"]["asked"] == {"train": 40, "validation": 14, "unlabelled": ALONE}
    assert report["refit"]["rows"] == 54


def test_what_a_teacher_of_another_split_has_seen_is_not_known_and_said_and_a_checkpoint_is_one_of_its_run(
    data, texts, teacher, tmp_path, caplog
):
    other = write_data(tmp_path / "other", test=30)
    run_flags(other, tmp_path / "teacher", model="custom-fc")
    taught(data, tmp_path / "run", tmp_path / "teacher", texts, model="custom-fc")
    assert "it is not known what it was trained on" in caplog.text
    caplog.clear()
    checkpoint = tmp_path / "teacher" / "checkpoint-4"
    shutil.copytree(teacher, checkpoint, dirs_exist_ok=True)
    (checkpoint / "report.json").unlink()
    shutil.copy(teacher / "report.json", tmp_path / "teacher" / "report.json")
    report = taught(data, tmp_path / "again", checkpoint, texts, model="custom-fc")
    assert list(report["data"]["teacher"]["asked"]) == ["unlabelled"]
    assert "on train the labels count alone" in caplog.text


def test_a_comparison_says_what_a_model_learned_from_beside_labels(data, texts, teacher, tmp_path):
    taught(data, tmp_path / "taught", teacher, texts, model="custom-fc")
    for name, folders in {"both": (tmp_path / "taught", teacher), "alone": (tmp_path / "taught",)}.items():
        out = tmp_path / name
        assert compare_command([*map(str, folders), "--output_dir", str(out)]) == 0
        page, said = (
            (out / "comparison" / "report.html").read_text(),
            f"taught by {teacher.name}, with {ALONE} texts without labels",
        )
        assert page.count(said) == 1
        assert (out / "comparison" / "report.md").read_text().count(said) == 1


def test_a_teacher_is_asked_once(data, texts, teacher, tmp_path, monkeypatch):
    kept = ("--cache_dir", tmp_path / "cache")
    first = taught(data, tmp_path / "first", teacher, texts, *kept, "--seed", 0)
    monkeypatch.setattr(sentiment_hf.inference.scorer.Scorer, "classify", None)
    second = taught(data, tmp_path / "second", teacher, texts, *kept, "--seed", 0)
    assert second["validation"] == first["validation"]
    with pytest.raises(TypeError):
        taught(data, tmp_path / "third", teacher, texts, "--no_cache", "true")


def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(data, texts, teacher, tmp_path):
    words = [flags(data, tmp_path / name, "--teacher", teacher, "--unlabelled_file", texts) for name in "ab"]
    make_run(parse_run(words[0]))
    run_until(Stop(7), words[1], make_run)
    make_run(parse_run(words[1]))
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_another_teacher_or_other_texts_make_another_run(data, texts, teacher, tmp_path):
    taught(data, tmp_path / "run", teacher, texts)
    fewer = write_csv(tmp_path / "fewer.csv", [("a text of its own",)], ("text",))
    with pytest.raises(InputError, match="unlabelled_texts"):
        taught(data, tmp_path / "run", teacher, fewer)
    with pytest.raises(InputError, match="teacher"):
        run_flags(data, tmp_path / "run")


def test_a_sample_of_the_texts_is_said(data, texts, teacher, tmp_path):
    words = flags(data, tmp_path, "--teacher", teacher, "--unlabelled_file", texts, "--max_unlabelled_samples", 10)
    splits = load_splits(parse_run(words).data)
    assert len(splits.unlabelled) == 10
    assert splits.notes["unlabelled"]["left_out"]["not_sampled"] == ALONE - 10


def test_the_command_distill_wants_a_teacher_and_a_teacher_something_to_teach(data, texts, teacher, tmp_path, capsys):
    for words, said in {
        ("--model", "custom-fc"): "--teacher is missing",
        ("--teacher", "custom-lstm"): "--teacher custom-lstm is not trained",
        ("--teacher", tmp_path / "nowhere"): "no such folder",
        ("--teacher", teacher): "was trained on these rows, and teaches by texts that it did not see",
        ("--teacher", teacher, "--unlabelled_file", tmp_path / "no.csv"): "there is no such file",
        ("--teacher", teacher, "--unlabelled_file", data / "train.csv"): "all of its 40 texts are in the data already",
        ("--teacher", teacher, "--max_unlabelled_samples", 5): "which is not given",
        ("--teacher", teacher, "--unlabelled_file", texts, "--extra_column_names", "number"): "texts alone",
        (
            "--teacher",
            teacher,
            "--unlabelled_file",
            texts,
            "--task",
            "ordinal",
            "--label_order",
            "negative,positive",
        ): "is for the task single_label",
    }.items():
        assert distill_command(flags(data, tmp_path / "run", *words)) == 2
        assert said in (error := capsys.readouterr().err)
        assert "Traceback" not in error
    assert run_command(flags(data, tmp_path / "run", "--unlabelled_file", texts)) == 2
    assert "add --teacher" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_teacher_with_other_classes_is_refused_by_a_dry_run_too(data, texts, tmp_path, capsys):
    other = relabelled(data, tmp_path / "other", ("no", "yes"))
    run_flags(other, tmp_path / "teacher", model="custom-fc")
    with pytest.raises(InputError, match=r"knows \['no', 'yes'\], and the data have \['negative', 'positive'\]"):
        taught(data, tmp_path / "run", tmp_path / "teacher", texts)
    words = ("--teacher", tmp_path / "teacher", "--unlabelled_file", texts, "--dry_run")
    assert distill_command(flags(data, tmp_path / "run", *words)) == 2
    assert "knows ['no', 'yes']" in capsys.readouterr().err


def test_distill_is_run_with_a_teacher(data, texts, teacher, tmp_path, capsys):
    words = flags(data, tmp_path, "--teacher", teacher, "--unlabelled_file", texts, settings=TINY)
    assert distill_command(words) == 0
    assert f"{teacher}, asked about {ALONE} texts without labels" in capsys.readouterr().out
    assert json.dumps(read_report(tmp_path)["data"]["teacher"]["asked"]) == '{"unlabelled": 60}'


def test_it_answers_in_bfloat16_where_that_is_faster_and_nearly_the_same(data, teacher, tmp_path, monkeypatch):
    bert = save_bert(tmp_path / "bert", data)
    sets = ["amx_bf16"]
    for module in ("sentiment_hf.inference.classifier", "sentiment_hf.inference.teacher"):
        monkeypatch.setattr(f"{module}.device_sets", lambda device: sets)
    run_flags(data, tmp_path / "run", model=bert, settings=())
    ref, asked = ModelRef.in_folder(tmp_path / "run"), ["a good film", "a bad film"]
    assert gains_by_bf16(ref)
    assert not gains_by_bf16(ModelRef.in_folder(teacher))
    exact, fast = (load_scorer(ref, "cpu", bf16=bf16).classify(asked, 2) for bf16 in (False, True))
    assert 0 < np.abs(fast - exact).max() < 0.02
    sets.clear()
    assert not gains_by_bf16(ref)
    np.testing.assert_array_equal(load_scorer(ref, "cpu", bf16=True).classify(asked, 2), exact)

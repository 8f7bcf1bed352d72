"""One command from files to a report; what cannot be used is refused before anything is written."""

import json
import shlex
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch
import transformers.trainer
from datasets import ClassLabel, Dataset, Features, Value
from helpers import (
    Stop,
    baseline_flags,
    flags,
    read_report,
    reviews,
    run_flags,
    run_until,
    save_bert,
    weights,
    write_csv,
    write_data,
)
from safetensors.torch import save_file
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import PREDICTIONS
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run

TYPES = {
    **{"model": str, "tuning": str, "dataset": str, "seed": int, "parameters": int, "trainable_parameters": int},
    **{"train_seconds": float, "train_tokens_per_second": float, "peak_memory_bytes": int, "validation": dict},
    **{"test": dict, "threads": int, "duplicates": dict, "versions": dict},
}
SCORES = {"accuracy", "precision_macro", "recall_macro", "f1_macro", "loss", "accuracy_interval", "per_class", "rows"}
LEARNS = ("embedding_size=8", "hidden_size=8", "dropout=0", "embedding_dropout=0")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    """The folder of a finished run that has learned something; not to be changed."""
    folder = tmp_path_factory.mktemp("finished") / "run"
    more = ["--learning_rate", 0.1, "--num_train_epochs", 4, "--warmup_steps", 0]
    report = run_flags(data, folder, *more, settings=LEARNS)
    assert report["test"]["accuracy"] > 0.9
    return folder


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of that folder."""
    return shutil.copytree(finished, tmp_path / "copy")


def contents(folder) -> dict[str, tuple[int, bytes]]:
    """Time and content of every file, and the folders."""
    paths = sorted(folder.rglob("*"))
    return {str(path): (path.stat().st_mtime_ns, path.read_bytes()) if path.is_file() else () for path in paths}


def same_weights(first, second) -> bool:
    found, expected = weights(first), weights(second)
    return all(torch.equal(found[name], expected[name]) for name in found | expected)


def relearn(data, folder, *more):
    """The very command of `finished`, for another folder."""
    settings = ["--learning_rate", 0.1, "--num_train_epochs", 4, "--warmup_steps", 0]
    return flags(data, folder, *settings, *more, settings=LEARNS)


def test_the_report_has_what_the_design_promises(finished):
    report = read_report(finished)
    assert {name: type(report[name]) for name in TYPES} == TYPES
    assert report["test"].keys() >= SCORES
    assert report["validation"].keys() >= {"accuracy", "f1_macro", "loss"}
    assert (report["model"], report["tuning"], report["processes"]) == ("custom-gru", "scratch", 1)
    assert (report["validation"]["rows"], report["test"]["rows"]) == (14, 22)
    low, high = report["test"]["accuracy_interval"]
    assert 0 <= low <= report["test"]["accuracy"] <= high <= 1
    assert all(0 <= report["test"][name] <= 1 for name in ("precision_macro", "recall_macro", "f1_macro"))
    assert set(report["test"]["per_class"]) == {"negative", "positive"}
    assert report["parameters"] == sum(tensor.numel() for tensor in weights(finished).values())
    assert report["peak_memory_bytes"] > 50 * 2**20
    assert 0 < report["train_seconds"] < 600
    assert {"torch", "transformers", "datasets", "python"} <= report["versions"].keys()


@pytest.mark.parametrize(("part", "rows"), [("validation", 14), ("test", 22)])
def test_predictions_are_a_row_each_in_the_order_of_the_file(finished, part, rows):
    table = pq.read_table(finished / PREDICTIONS[part])
    assert table.column_names == ["row", "label", "prediction", "probability_negative", "probability_positive"]
    columns = table.to_pydict()
    assert columns["row"] == list(range(rows))
    assert columns["label"] == [row % 2 for row in range(rows)]
    right = [label == prediction for label, prediction in zip(columns["label"], columns["prediction"], strict=True)]
    assert sum(right) / rows == read_report(finished)[part]["accuracy"]
    sums = [sum(pair) for pair in zip(columns["probability_negative"], columns["probability_positive"], strict=True)]
    assert sums == pytest.approx([1] * rows, abs=2e-3)


def test_metrics_are_an_object_a_line_with_their_step(finished):
    entries = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in entries if "eval_loss" in entry] == [5, 10, 15, 20]
    assert all({"step", "epoch"} <= entry.keys() for entry in entries)


def test_the_folder_holds_the_files_that_users_know(finished):
    names = {path.name for path in finished.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} <= names
    assert {f"{part}_results.json" for part in ("all", "train", "eval", "test")} | {"trainer_state.json"} <= names
    config = AutoConfig.from_pretrained(finished)
    assert config.id2label == {0: "negative", 1: "positive"}
    assert not list(finished.glob("*.tmp"))


def test_the_same_command_on_a_finished_run_only_reports(data, copy, capsys):
    before = contents(copy)
    assert run_command(relearn(data, copy)) == 0
    assert contents(copy) == before
    assert "accuracy" in capsys.readouterr().out
    assert run(parse_run(relearn(data, copy))).as_json() == read_report(copy)


def test_a_setting_without_a_say_in_the_result_is_no_other_run(data, copy):
    more = ["--logging_steps", 7, "--per_device_eval_batch_size", 3, "--disable_tqdm", "false"]
    assert run(parse_run(relearn(data, copy, *more))).as_json() == read_report(copy)


def test_the_end_says_where_the_run_lies_and_what_comes_next(data, tmp_path, capsys):
    folder = tmp_path / "a run"
    shown = {}
    for name, argv in {
        "network": flags(data, folder, "--max_steps", "1"),
        "scored": flags(data, tmp_path / "scored", "--do_predict", model=folder, settings=()),
        "baseline": baseline_flags(data, tmp_path / "bayes", "baseline-naive-bayes-bow"),
    }.items():
        assert run_command(argv) == 0
        *_, shown[name] = capsys.readouterr().out.partition("Next:")
        words = [shlex.split(line) for line in shown[name].splitlines() if line]
        assert all(word[:2] == ["sentiment-hf", word[1]] and Path(word[2]).is_dir() for word in words)
        shown[name] = [word[1] for word in words]
    assert shown == {
        "network": ["predict", "compare", "push"],
        "scored": ["compare"],
        "baseline": ["predict", "compare"],
    }


def test_another_run_in_the_folder_is_refused_with_the_name_of_the_difference(data, copy, tmp_path):
    before = contents(copy)
    with pytest.raises(InputError, match=r"seed: 42 there, 7 here.*--overwrite"):
        run(parse_run(relearn(data, copy, "--seed", 7)))
    other = write_data(tmp_path / "other")
    write_csv(other / "train.csv", reviews(40, seed=77))
    with pytest.raises(InputError, match="another run"):
        run(parse_run(relearn(other, copy)))
    assert contents(copy) == before


def test_overwrite_replaces_the_run_and_leaves_foreign_files(data, copy):
    (copy / "notes.txt").write_text("mine")
    report = run(parse_run(relearn(data, copy, "--seed", 7, "--overwrite"))).as_json()
    assert report["seed"] == read_report(copy)["seed"] == 7
    assert report["steps"] == 20
    assert (copy / "notes.txt").read_text() == "mine"
    assert len(list(copy.glob("checkpoint-*"))) == 1


def test_overwrite_begins_anew_even_with_the_same_settings(data, copy):
    before = (copy / "model.safetensors").stat().st_mtime_ns
    run(parse_run(relearn(data, copy, "--overwrite")))
    assert (copy / "model.safetensors").stat().st_mtime_ns > before


@pytest.mark.parametrize("more", [[], ["--overwrite"]], ids=["plain", "overwrite"])
def test_a_folder_with_something_else_in_it_is_refused(data, tmp_path, more):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.txt").write_text("all my work")
    before = contents(tmp_path)
    with pytest.raises(InputError, match="--output_dir"):
        run_flags(data, tmp_path / "thesis", *more)
    assert contents(tmp_path) == before


def test_the_test_part_has_no_say_in_training(data, tmp_path):
    """Another test file, with other texts and every label wrong, leaves the weights bit for bit as they are."""
    other = shutil.copytree(data, tmp_path / "data")
    wrong = {"positive": "negative", "negative": "positive"}
    write_csv(other / "test.csv", [(text, wrong[label]) for text, label in reviews(30, seed=99)])
    for name, files in (("first", data), ("second", other)):
        run_flags(files, tmp_path / name)
    assert same_weights(tmp_path / "first", tmp_path / "second")
    assert (tmp_path / "first" / "tokenizer.json").read_text() == (tmp_path / "second" / "tokenizer.json").read_text()
    assert read_report(tmp_path / "second")["test"]["rows"] == 30


def test_samples_are_as_large_as_asked_for_and_in_the_report(data, tmp_path):
    more = ["--max_train_samples", 20, "--max_eval_samples", 10, "--max_predict_samples", 12]
    report = run_flags(data, tmp_path / "run", *more)
    assert report["data"]["rows"] == {"train": 20, "validation": 10, "test": 12}
    assert set(report["data"]["sampled"]) == {"train", "validation", "test"}
    assert (report["validation"]["rows"], report["test"]["rows"], report["steps"]) == (10, 12, 2 * 3)


def test_a_trained_model_is_only_tested_with_do_predict(finished, data, tmp_path):
    report = run_flags(data, tmp_path / "again", "--do_predict", model=finished, settings=())
    assert (report["tuning"], report["steps"], report["train_seconds"]) == ("none", 0, 0)
    assert report["test"] == read_report(finished)["test"]
    assert not (tmp_path / "again" / "model.safetensors").exists()


def test_a_trained_model_is_trained_on(finished, data, tmp_path):
    kept = ("--learning_rate", 0, "--calibrate", "none")
    report = run_flags(data, tmp_path / "on", *kept, model=finished, settings=())
    assert (report["tuning"], report["steps"]) == ("full", 10)
    assert report["test"]["accuracy"] == read_report(finished)["test"]["accuracy"]
    assert same_weights(finished, tmp_path / "on")
    run_flags(data, tmp_path / "further", "--learning_rate", 0.01, model=finished, settings=())
    assert not same_weights(finished, tmp_path / "further")


def test_labels_are_matched_by_name_whatever_their_numbers(finished, data, tmp_path):
    """A parquet file whose ClassLabel counts the other way round."""
    classes = Features({"text": Value("string"), "label": ClassLabel(names=["positive", "negative"])})
    (tmp_path / "data").mkdir()
    for seed, (split, count) in enumerate({"train": 40, "validation": 14, "test": 22}.items()):
        columns = {
            "text": [text for text, _ in reviews(count, seed)],
            "label": [label for _, label in reviews(count, seed)],
        }
        Dataset.from_dict(columns, features=classes).to_parquet(tmp_path / "data" / f"{split}.parquet")
    files = [
        word
        for split in ("train", "validation", "test")
        for word in (f"--{split}_file", tmp_path / "data" / f"{split}.parquet")
    ]
    report = run_flags(data, tmp_path / "run", *files, "--do_predict", model=finished, settings=())
    assert report["test"]["accuracy"] == read_report(finished)["test"]["accuracy"]
    assert report["test"]["per_class"] == read_report(finished)["test"]["per_class"]


def test_a_stock_checkpoint_is_tuned_by_the_same_command(data, tmp_path):
    bert = save_bert(tmp_path / "bert", data, initializer_range=0.3)
    before = contents(bert)
    more = ["--learning_rate", 0.03, "--num_train_epochs", 8, "--early_stopping_patience", 8]
    report = run_flags(data, tmp_path / "tuned", *more, model=bert, settings=())
    assert (report["tuning"], report["max_seq_length"]) == ("full", 32)
    assert report["test"]["accuracy"] > 0.7
    assert contents(bert) == before
    again = run_flags(data, tmp_path / "again", "--do_predict", model=tmp_path / "tuned", settings=())
    assert again["test"] == report["test"]
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "tuned")
    assert model.config.id2label == {0: "negative", 1: "positive"}


def test_an_interrupted_run_exits_with_the_number_of_its_signal_and_goes_on(data, tmp_path, monkeypatch, capsys):
    argv = flags(data, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr(transformers.trainer, "DEFAULT_CALLBACKS", [*transformers.trainer.DEFAULT_CALLBACKS, Stop(7)])
        assert run_command(argv) == 143
    assert "the same command goes on" in capsys.readouterr().err
    assert run_command(argv) == 0
    assert read_report(tmp_path / "run")["steps"] == 10


def test_an_unfinished_run_is_not_taken_up_with_other_settings(data, tmp_path):
    run_until(Stop(7), flags(data, tmp_path / "run"))
    with pytest.raises(InputError, match="learning_rate"):
        run_flags(data, tmp_path / "run", "--learning_rate", 0.5)


def test_quiet_is_quiet(data, tmp_path, capfd):
    assert run_command(flags(data, tmp_path / "run", "--disable_tqdm", "true")) == 0
    said = capfd.readouterr()
    assert "accuracy" in said.out
    assert "eval_loss" not in said.out
    assert said.err == ""


def bad_table(header="text,label", rows=("good,positive", "bad,negative"), **files):
    """A function that overwrites the files of a part by these lines."""

    def write(folder):
        lines = {"train": (header, *rows)} | files
        for split, content in lines.items():
            text = "\n".join(content) + "\n"
            (folder / f"{split}.csv").write_bytes(text.encode("latin-1"))

    return write


def nothing(folder):
    """All files as they are."""


def null_text(folder):
    """A line of train.jsonl without its text."""
    (folder / "train.jsonl").write_text('{"text": "good", "label": 1}\n{"text": null, "label": 0}\n')


def empty_folder(folder):
    """A folder without a checkpoint."""
    (folder / "empty").mkdir()


def mismatched_bert(folder):
    """A tokenizer with more tokens than the weights have rows."""
    save_bert(folder / "bert", folder, rows=9)


REFUSED = {
    "unknown model": (nothing, ["--model", "custom-lsmt"], "custom-lstm"),
    "unknown folder": (nothing, ["--model", "./nowhere"], "./nowhere"),
    "folder without checkpoint": (empty_folder, ["--model", "DATA/empty"], "config.json"),
    "unknown column": (nothing, ["--text_column_names", "txt"], "'text'"),
    "unknown label column": (nothing, ["--label_column_name", "lable"], "'label'"),
    "unknown file": (nothing, ["--test_file", "DATA/tset.csv"], "tset.csv"),
    "unknown data set": (nothing, ["--train_file", "DATA/train.xls"], "train.xls"),
    "unknown flag": (nothing, ["--lerning_rate", "1"], "learning_rate"),
    "unknown setting": (nothing, ["--model_config", "hiden_size=8"], "hidden_size"),
    "setting of a wrong type": (nothing, ["--model_config", "hidden_size=abc"], "hidden_size"),
    "word vectors that are none": (nothing, ["--word_vectors", "DATA/nowhere.txt"], "nowhere.txt"),
    "one class": (bad_table(rows=("good,positive", "fine,positive")), [], "positive"),
    "class missing from train": (bad_table(test=("text,label", "so so,mixed")), [], "mixed"),
    "null text": (null_text, ["--train_file", "DATA/train.jsonl"], "line 2"),
    "not UTF-8": (bad_table(rows=("good,positive", "caf\xe9,negative")), [], "line 3"),
    "tokenizer of other weights": (mismatched_bert, ["--model", "DATA/bert"], "9 rows"),
    "tokenizer for a checkpoint": (mismatched_bert, ["--model", "DATA/bert", "--tokenizer", "char"], "--tokenizer"),
    "missing package": (nothing, ["--optim", "adamw_torch", "--report_to", "clearml"], "clearml"),
    "no token left": (nothing, ["--min_frequency", "1000"], "--min_frequency"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_bad_input_is_refused_in_words_and_leaves_the_disk_as_it_was(case, tmp_path, capsys):
    prepare, more, said = REFUSED[case]
    data = write_data(tmp_path / "data")
    prepare(data)
    before = contents(tmp_path)
    more = [word.replace("DATA", str(data)) for word in more]
    other = {"model": more[1], "settings": ()} if "--model" in more else {}
    capsys.readouterr()
    assert run_command(flags(data, tmp_path / "run", *more, **other)) == 2
    error = capsys.readouterr().err
    assert "error: " in error
    assert said in error
    assert "Traceback" not in error
    assert contents(tmp_path) == before


def test_a_refused_overwrite_leaves_the_run_that_is_there(data, copy):
    before = contents(copy)
    assert run_command(relearn(data, copy, "--overwrite", "--model_config", "hiden_size=8")) == 2
    assert contents(copy) == before


def test_what_cannot_train_is_refused_and_the_mended_command_runs_in_the_same_folder(data, tmp_path, capsys):
    more = (
        ["--optim", "adamw_bnb_8bit"],
        ["--lr_scheduler_type", "cosine_with_min_lr"],
        ["--activation_checkpointing", 1],
    )
    for words in more:
        assert run_command(flags(data, tmp_path / "run", *words)) == 2
        error = capsys.readouterr().err
        assert "error: these flags cannot be used here" in error
        assert "Traceback" not in error
    assert run_flags(data, tmp_path / "run")["steps"] == 10


def test_a_checkpoint_or_word_vectors_with_other_content_are_another_run(finished, data, tmp_path):
    model = shutil.copytree(finished, tmp_path / "model")
    more = ["--do_predict", "--output_dir", tmp_path / "run"]
    run_flags(data, tmp_path / "run", *more, model=model, settings=())
    tensors = weights(model)
    tensors["classifier.bias"] += 1
    save_file(tensors, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(InputError, match="model_files"):
        run_flags(data, tmp_path / "run", *more, model=model, settings=())
    (tmp_path / "vectors.txt").write_text("good 1 2 3 4 5 6 7 8\nbad 8 7 6 5 4 3 2 1\n")
    run_flags(data, tmp_path / "other", "--word_vectors", tmp_path / "vectors.txt")
    (tmp_path / "vectors.txt").write_text("good 1 2 3 4 5 6 7 8\nbad 8 7 6 5 4 3 2 0\n")
    with pytest.raises(InputError, match="word_vectors_file"):
        run_flags(data, tmp_path / "other", "--word_vectors", tmp_path / "vectors.txt")


def test_an_interrupted_overwrite_leaves_nothing_of_the_old_model(data, copy):
    run_until(Stop(2), relearn(data, copy, "--seed", 7, "--overwrite"))
    assert {path.name for path in copy.iterdir()} == {".lock", "checkpoint-2", "metrics.jsonl", "run.json"}


def test_a_run_does_not_overwrite_the_model_that_it_starts_from(data, copy):
    before = contents(copy)
    with pytest.raises(InputError, match="would be deleted"):
        run_flags(data, copy, "--overwrite", model=copy, settings=())
    assert contents(copy) == before


def test_a_folder_with_the_name_of_a_model_is_not_that_model(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run_flags(data, "custom-gru")["tuning"] == "scratch"
    report = run_flags(data, "again", "--do_predict", model="./custom-gru", settings=())
    assert (report["tuning"], report["recipe"]) == ("none", "custom-gru")


def test_a_training_that_fails_exits_with_3(data, tmp_path, capsys):
    broken = ["--learning_rate", 1e30, "--max_grad_norm", 0, "--optim", "sgd", "--model_config", "num_layers=2"]
    assert run_command(flags(data, tmp_path / "run", *broken, model="custom-fc", settings=())) == 3
    error = capsys.readouterr().err
    assert "training failed: " in error
    assert "Traceback" not in error


def test_texts_are_cut_as_they_were_in_training(data, tmp_path):
    report = run_flags(data, tmp_path / "run", "--max_seq_length", 5)
    assert report["max_seq_length"] == AutoTokenizer.from_pretrained(tmp_path / "run").model_max_length == 5
    assert 0 < report["train_texts_at_max_seq_length"] < 1


def test_the_precision_that_accelerate_was_configured_for_is_part_of_the_run(tmp_path, capsys, monkeypatch):
    argv = flags(write_data(tmp_path / "data"), tmp_path / "run")
    assert run_command(argv) == 0
    assert read_report(tmp_path / "run")["mixed_precision"] == "no"
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    assert run_command(argv) == 2
    assert "mixed_precision: 'no' there, 'bf16' here" in capsys.readouterr().err


def test_a_file_whose_name_leads_upwards_names_no_folder(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shutil.copy(data / "train.csv", tmp_path / "...csv")
    with pytest.raises(InputError, match=r"name it by --output_dir"):
        run(parse_run(["--model", "custom-fc", "--train_file", "...csv"]))
    assert [path.name for path in tmp_path.iterdir()] == ["...csv"]

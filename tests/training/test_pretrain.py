"""`pretrain`: language models of every kind that there is, resumed, scored, saved, and what starts from them."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import (
    TINY,
    Stop,
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
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from sentiment_hf.cli import compare_command, predict_command, pretrain_command, push_command, run_command
from sentiment_hf.runs.run import run
from sentiment_hf.settings.model_ref import LANGUAGE_MODELS
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.text.word_vectors import load_word_vectors
from sentiment_hf.training.language import MaskedWordCollator

ROOT = Path(__file__).parents[2]
ALONE = 60


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def texts(data) -> Path:
    """60 texts of their own, and one of test."""
    known = (data / "test.csv").read_text().splitlines()[1].rsplit(",", 1)[0]
    rows = [(text,) for text, _ in reviews(ALONE, 9)]
    return write_csv(data / "alone.csv", [*rows, (known,)], ("text",))


def words(data, output, texts, *more, **model) -> list[str]:
    """The flags of a language model."""
    return flags(data, output, "--text_file", texts, *more, **model)


def learn(*args, **kwargs) -> dict:
    """The report of a language model."""
    return run(parse_run([*words(*args, **kwargs), "--objective", "words"])).as_json()


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow if name in ("custom-rnn", "custom-lstm") else ())
        for name in LANGUAGE_MODELS
    ],
)
def test_every_model_learns_words_and_becomes_a_classifier(data, texts, name, tmp_path):
    both = () if name == "custom-transformer" else ("bidirectional=true",)
    sizes = ("embedding_size=8", "hidden_size=8", *both)
    report = learn(data, tmp_path / "words", texts, "--num_train_epochs", "8", model=name, settings=sizes)
    assert report["task"] == "words"
    assert report["data"]["unlabelled"]["rows"] == ALONE
    assert report["data"]["unlabelled"]["left_out"]["in_test"] == 1
    history = [json.loads(line) for line in (tmp_path / "words" / "metrics.jsonl").read_text().splitlines()]
    losses = [entry["eval_loss"] for entry in history if "eval_loss" in entry]
    assert report["validation"]["loss"] == pytest.approx(min(losses)) == pytest.approx(losses[-1], abs=0.3)
    assert losses[-1] < losses[0]
    assert report["validation"]["perplexity"] == pytest.approx(math.exp(report["validation"]["loss"]))
    start = tmp_path / "words"
    tuned = run_flags(data, tmp_path / "run", "--layer_lr_decay", "0.3", model=start, settings=("dropout=0.1",))
    assert tuned["tuning"] == "full"
    assert 0 <= tuned["test"]["accuracy"] <= 1
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["dropout"] == 0.1
    assert list(config["auto_map"]) == ["AutoConfig", "AutoModelForSequenceClassification"]
    assert not (tmp_path / "run" / "language.py").exists()


def test_a_pretrained_encoder_learns_masked_words_and_keeps_its_name_for_the_auto_class(data, texts, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    report = learn(data, tmp_path / "words", texts, model=bert, settings=())
    assert report["tuning"] == "words"
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "words")
    assert not torch.equal(
        model.get_input_embeddings().weight, weights(bert)["bert.embeddings.word_embeddings.weight"]
    )
    run_flags(data, tmp_path / "run", "--tuning", "lora", model=tmp_path / "words", settings=())


def test_the_saved_model_has_the_loss_of_the_report_over_the_words_of_validation(data, texts, tmp_path):
    report = learn(data, tmp_path, texts, settings=("embedding_size=8", "hidden_size=8", "bidirectional=true"))
    model, tokenizer = AutoModelForCausalLM.from_pretrained(tmp_path).eval(), AutoTokenizer.from_pretrained(tmp_path)
    total = count = 0
    for line in (data / "validation.csv").read_text().splitlines()[1:]:
        ids = torch.tensor([tokenizer(line.rsplit(",", 1)[0])["input_ids"]])
        total += model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        count += ids.shape[1] - 1
    assert report["validation"]["loss"] == pytest.approx(total / count, rel=1e-5)


@pytest.mark.parametrize("name", ["custom-gru", pytest.param("custom-transformer", marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(data, texts, name, tmp_path):
    """Masks are drawn anew in each epoch, and a resumed run draws those that it would have drawn."""
    argv = [[*words(data, tmp_path / run, texts, model=name), "--objective", "words"] for run in "ab"]
    run(parse_run(argv[0]))
    run_until(Stop(15), argv[1])
    run(parse_run(argv[1]))
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(a[key], b[key]) for key in a)
    assert read_report(tmp_path / "a")["validation"] == read_report(tmp_path / "b")["validation"]


@pytest.mark.parametrize("kind", ["custom-gru", pytest.param("custom-transformer", marks=pytest.mark.slow), "bert"])
def test_accumulated_batches_make_the_step_of_the_big_one(data, texts, kind, tmp_path):
    """Models of others return the mean of a batch, which would be added up."""
    own = {"model": kind} if kind != "bert" else {"model": save_bert(tmp_path / "bert", data), "settings": ()}
    if kind != "bert":
        own["settings"] = ("embedding_size=8", "hidden_size=8", "embedding_dropout=0")
        own["settings"] += ("layer_dropout=0", "num_heads=2") if kind == "custom-transformer" else ()
    else:
        config = json.loads((own["model"] / "config.json").read_text())
        config |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
        (own["model"] / "config.json").write_text(json.dumps(config))
    size, plain = (
        "--per_device_train_batch_size",
        ("--optim", "sgd", "--learning_rate", "0.1", "--max_grad_norm", "1e9"),
    )
    learn(data, tmp_path / "big", texts, size, "16", *plain, **own)
    learn(data, tmp_path / "small", texts, size, "4", "--gradient_accumulation_steps", "4", *plain, **own)
    big, small = weights(tmp_path / "big"), weights(tmp_path / "small")
    assert all(torch.allclose(big[key], small[key], atol=1e-5) for key in big)


def test_the_loss_of_validation_does_not_depend_on_the_batches_and_empty_texts_have_no_say(data, texts, tmp_path):
    own = write_data(tmp_path / "data", validation=17)
    rows = (own / "validation.csv").read_text().splitlines()
    write_csv(own / "validation.csv", [*(line.rsplit(",", 1) for line in rows[1:]), ("", "negative")])
    for model in ("custom-gru", "custom-transformer"):
        losses = []
        for size in (1, 4, 17):
            more = ("--per_device_eval_batch_size", size, "--max_steps", "2", "--learning_rate", "1e-9")
            losses.append(learn(own, tmp_path / f"{model}{size}", texts, *more, model=model)["validation"]["loss"])
        assert losses == pytest.approx([losses[0]] * 3, rel=1e-5)


@pytest.mark.slow
def test_masks_change_from_epoch_to_epoch_in_processes_that_outlive_them_and_a_resumed_run_has_the_same(
    data, texts, tmp_path
):
    more = ("--dataloader_num_workers", "1", "--dataloader_persistent_workers", "true")
    made = []
    for name, extra in (("plain", ()), ("workers", more), ("resumed", more)):
        # Without dropout, because a process that outlives an epoch draws no random number at its start.
        exact = {"model": "custom-transformer", "settings": (*TINY, "num_heads=2", "layer_dropout=0")}
        argv = [*words(data, tmp_path / name, texts, *extra, **exact), "--objective", "words"]
        if name == "resumed":
            run_until(Stop(15), argv)
        run(parse_run(argv))
        made.append(weights(tmp_path / name))
    assert all(torch.equal(made[0][key], one[key]) for one in made[1:] for key in one)
    collator = MaskedWordCollator(AutoTokenizer.from_pretrained(tmp_path / "plain"), 0)
    ids = torch.arange(3, 23)
    drawn = {tuple(collator.masked(ids, (0, epoch, 7))[1].tolist()) for epoch in range(5)}
    assert len(drawn) > 1


def test_a_classifier_says_what_it_began_with_and_whether_that_can_have_read_its_test_part(data, texts, tmp_path):
    learn(data, tmp_path / "words", texts)
    began = run_flags(data, tmp_path / "run", model=tmp_path / "words", settings=())["began_with"]
    assert (began["train_texts"], began["texts"], began["without_test"]) == (40, ALONE, True)
    assert "no copy of a row of test" in (tmp_path / "run" / "README.md").read_text()
    (tmp_path / "other").mkdir()
    other = write_data(tmp_path / "other", test=30)
    began = run_flags(other, tmp_path / "elsewhere", model=tmp_path / "words", settings=())["began_with"]
    assert not began["without_test"]
    assert "rows of this test part perhaps" in (tmp_path / "elsewhere" / "README.md").read_text()
    assert "began_with" not in run_flags(data, tmp_path / "new")


def test_a_classifier_with_other_classes_learns_words_and_is_resumed(data, texts, tmp_path):
    names = {"id2label": {0: "bad", 1: "fair", 2: "good"}, "label2id": {"bad": 0, "fair": 1, "good": 2}}
    bert = save_bert(tmp_path / "bert", data, **names)
    argv = [*words(data, tmp_path / "run", texts, model=bert, settings=()), "--objective", "words"]
    run_until(Stop(7), argv)
    assert run(parse_run(argv)).task == "words"
    assert json.loads((tmp_path / "run" / "config.json").read_text()).get("id2label", {}) != names["id2label"]


def test_the_command_says_what_comes_next_and_others_say_that_there_are_no_labels(data, texts, tmp_path, capsys):
    assert pretrain_command(words(data, tmp_path, texts)) == 0
    out = capsys.readouterr().out
    assert "perplexity" in out
    assert f"sentiment-hf run --model {tmp_path} --train_file {data / 'train.csv'} --validation_file" in out
    assert "--text_file" not in out.partition("Next:")[2]
    assert pretrain_command(words(data, tmp_path, texts)) == 0
    assert "perplexity" in capsys.readouterr().out
    assert push_command([str(tmp_path), "--hub_model_id", "me/words", "--dry_run"]) == 0
    assert "language.py" in capsys.readouterr().out
    assert "perplexity" in (tmp_path / "README.md").read_text()
    assert predict_command([str(tmp_path), "a text"]) == 2
    assert "a language model, which knows no labels" in capsys.readouterr().err
    assert compare_command([str(tmp_path)]) == 2
    assert "a language model, which knows no labels" in capsys.readouterr().err


def test_what_does_not_fit_is_refused(data, texts, tmp_path, capsys):
    for more, said in {
        ("--model", "custom-fc"): "custom-fc predicts no words",
        ("--model", "baseline-nb-svm"): "--objective",
        ("--tuning", "lora"): "--tuning lora",
        ("--class_weights", "balanced"): "--class_weights is for classifiers",
        ("--refit", "true"): "--refit is for classifiers",
        ("--do_eval", "true"): "a language model is trained",
        ("--metric_for_best_model", "accuracy"): "chosen by its loss",
        ("--model_config", "bidirectional=true", "num_layers=2"): "num_layers=1",
        ("--text_file", tmp_path / "no.csv"): "there is no such file",
        ("--model", data, "--word_vectors", "v.txt"): "no config.json",
    }.items():
        assert pretrain_command(words(data, tmp_path / "run", texts, *more)) == 2
        assert said in (error := capsys.readouterr().err)
        assert "Traceback" not in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["custom-gru", "custom-transformer"])
def test_a_dry_run_says_what_it_would_cost_and_leaves_nothing(data, texts, name, tmp_path, capsys):
    assert pretrain_command([*words(data, tmp_path / "run", texts, model=name), "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"^time +about [\d.]+ min \(training", said, re.M)
    assert "30 texts" in said or "unlabelled" in said
    assert not (tmp_path / "run").exists()


def test_the_layers_of_a_checkpoint_stay(data, texts, tmp_path, capsys):
    start = {"model": tmp_path / "words", "settings": ()}
    learn(data, tmp_path / "words", texts)
    assert pretrain_command(words(data, tmp_path / "again", texts, **start)) == 0
    capsys.readouterr()
    for shaped in (("--model_config", "num_layers=7"), ("--word_vectors", "v.txt")):
        assert pretrain_command(words(data, tmp_path / "other", texts, *shaped, **start)) == 2
        assert "this --model is a checkpoint" in capsys.readouterr().err
    assert run_command(flags(data, tmp_path / "run", "--model_config", "hidden_size=16", **start)) == 2
    assert "dropout and pooling can be set" in capsys.readouterr().err
    assert compare_command(["--models", "custom-gru", "--objective", "words", "--dataset", "sample"]) == 2
    assert "leave out --objective words" in capsys.readouterr().err


def test_texts_may_be_the_lines_of_a_file(data, tmp_path):
    lines = tmp_path / "alone.txt"
    lines.write_text("a fine film of its own\n\nanother one\n")
    report = learn(data, tmp_path / "run", lines)
    assert report["data"]["unlabelled"]["rows"] == 2
    assert report["data"]["unlabelled"]["left_out"]["empty"] == 1


def vectors(data: Path, output: Path, *more: str, hash_seed: str = "0") -> subprocess.CompletedProcess:
    """`pretrain --objective vectors` in a process of its own."""
    files = [word for part in ("train", "test") for word in (f"--{part}_file", f"{part}.csv")]
    command = [sys.executable, "-m", "sentiment_hf", "pretrain", "--objective", "vectors", *files, "--text_file"]
    command += ["texts.csv", "--output_file", str(output), "--vector_size", "8", *more]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": hash_seed}
    return subprocess.run(command, cwd=data, env=environment, capture_output=True, text=True)


@pytest.mark.slow
def test_word_vectors_are_those_of_the_seed_and_of_train_and_the_texts_alone(tmp_path):
    texts = ["A good film<br />and a warm one, don't miss it.", "The Bad film was cold.", "Unheard, in test."]
    write_csv(tmp_path / "texts.csv", [(text,) for text in texts], ("text",))
    write_csv(tmp_path / "train.csv", [(f"plain soup {i}", "ab"[i % 2]) for i in range(20)])
    write_csv(tmp_path / "test.csv", [("Unheard, in test.", "a"), ("soup", "b")])
    for output, seed, hash_seed in (("a", "0", "1"), ("b", "0", "2"), ("c", "1", "1")):
        more = ("--min_count", "1", "--seed", seed)
        done = vectors(tmp_path, tmp_path / "out" / f"{output}.txt", *more, hash_seed=hash_seed)
        assert done.returncode == 0, done.stderr
    first, second, other = ((tmp_path / "out" / f"{name}.txt").read_bytes() for name in "abc")
    assert first == second != other
    words = {"don't": 0, "bad": 1, ",": 2, "soup": 3, "Bad": 4, "br": 5, "unheard": 6}
    _, found = load_word_vectors(tmp_path / "out" / "a.txt", words, 8)
    assert found.tolist() == [True] * 4 + [False] * 3
    done = vectors(tmp_path, tmp_path / "out" / "d.txt", "--min_count", "50")
    assert done.returncode == 2
    assert "lower --min_count" in done.stderr
    for more, said in {
        ("--num_train_epochs", "3"): "--num_train_epochs: vectors of words have no such flag",
        ("--vector_size", "0"): "--vector_size 0",
        ("--epochs", "0"): "--epochs 0",
    }.items():
        done = vectors(tmp_path, tmp_path / "out" / "e.txt", *more)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False)
        assert said in done.stderr
    done = vectors(tmp_path, tmp_path)
    assert (done.returncode, "is a folder" in done.stderr) == (2, True)


def test_a_language_model_goes_to_the_hub_and_a_classifier_starts_from_there(hub, data, texts, tmp_path):
    learn(data, tmp_path / "words", texts)
    assert push_command([str(tmp_path / "words"), "--hub_model_id", "me/words"]) == 0
    report = run_flags(data, tmp_path / "run", model="me/words", settings=())
    assert report["base_model"] == "me/words"
    assert report["model_type"] == "custom-gru"

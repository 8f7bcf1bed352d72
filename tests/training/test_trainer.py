"""Training is the same however its batches are divided and however often it is interrupted; its figures are true."""

import gc
import json
import math
import shutil
import signal
import weakref

import pyarrow.parquet as pq
import pytest
import torch
from helpers import Stop, flags, read_report, reviews, run_flags, run_until, save_bert, weights, write_csv, write_data
from safetensors.torch import save_file
from torch.nn.functional import cross_entropy
from transformers import AutoModelForSequenceClassification, AutoTokenizer, BartConfig, FNetConfig, Trainer

from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.data.csv_files import read_csv_table
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.safe_trainer import SafeTrainer
from sentiment_hf.training.trainer import ClassificationTrainer

EXACT = ("embedding_size=8", "hidden_size=8", "dropout=0", "embedding_dropout=0")
RANDOM = ("embedding_size=8", "hidden_size=8", "dropout=0.3", "embedding_dropout=0.2")


@pytest.fixture
def data(tmp_path):
    """44 rows to train on: with batches of 8 the last one is smaller."""
    return write_data(tmp_path / "data", train=44)


def logits(folder, data, split: str) -> tuple[torch.Tensor, torch.Tensor]:
    """(rows, 2) logits and (rows,) labels of one part by the saved model, all rows in one batch."""
    columns = read_csv_table(data / f"{split}.csv").columns
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    inputs = AutoTokenizer.from_pretrained(folder)(
        list(columns["text"]), padding=True, truncation=True, return_tensors="pt"
    )
    labels = torch.tensor([model.config.label2id[label] for label in columns["label"]])
    with torch.inference_mode():
        return model(**inputs).logits, labels


def logged(folder, name: str) -> list[float]:
    """The values of one name in metrics.jsonl."""
    entries = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
    return [entry[name] for entry in entries if name in entry]


EXACTLY = {"rtol": 0, "atol": 0}


def assert_same(first, second, **tolerance):
    found, expected = weights(first), weights(second)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, **tolerance)


@pytest.mark.parametrize("optimizer", ["sgd", pytest.param("adamw_torch", marks=pytest.mark.slow)])
@pytest.mark.parametrize("model", ["custom-gru", "bert"])
def test_accumulated_steps_train_as_one_batch_does(data, tmp_path, model, optimizer):
    settings = EXACT
    if model == "bert":
        model, settings = save_bert(tmp_path / "bert", data, hidden_dropout_prob=0, attention_probs_dropout_prob=0), ()
    rate = "0.5" if optimizer == "sgd" else "0.002"
    for name, batch, accumulation in (("whole", 8, 1), ("divided", 2, 4)):
        more = ["--optim", optimizer, "--learning_rate", rate, "--per_device_train_batch_size", batch]
        more += ["--gradient_accumulation_steps", accumulation, "--logging_steps", 1]
        run_flags(data, tmp_path / name, *more, model=model, settings=settings)
    assert_same(tmp_path / "divided", tmp_path / "whole", rtol=0, atol=1e-5)
    assert logged(tmp_path / "divided", "loss") == pytest.approx(logged(tmp_path / "whole", "loss"), abs=1e-4)


@pytest.mark.parametrize("bucketing", [True, pytest.param(False, marks=pytest.mark.slow)])
@pytest.mark.parametrize("steps", [[2], [6], [3, 9, 12]])
def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(data, tmp_path, steps, bucketing):
    """Six steps an epoch: within the first, at its end, and three times, the last at the end of all."""
    more = ["--length_bucketing", bucketing, "--logging_steps", 1]
    run_flags(data, tmp_path / "undisturbed", *more, settings=RANDOM)
    argv = flags(data, tmp_path / "interrupted", *more, settings=RANDOM)
    for step in steps:
        stopped = run_until(Stop(step), argv)
        assert stopped.signum == signal.SIGTERM
        assert f"step {step}" in str(stopped)
        assert (tmp_path / "interrupted" / f"checkpoint-{step}").is_dir()
        assert not (tmp_path / "interrupted" / "report.json").exists()
    report = run(parse_run(argv)).as_json()
    assert_same(tmp_path / "interrupted", tmp_path / "undisturbed", **EXACTLY)
    expected = read_report(tmp_path / "undisturbed")
    for name in ("test", "validation", "steps", "best_step", "train_tokens"):
        assert report[name] == expected[name], name
    assert logged(tmp_path / "interrupted", "loss") == logged(tmp_path / "undisturbed", "loss")


def test_ctrl_c_is_an_interruption_like_any_other_and_the_handlers_come_back(data, tmp_path):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert run_until(Stop(3, signal.SIGINT), flags(data, tmp_path / "run")).signum == signal.SIGINT
    broken = ["--learning_rate", 1e30, "--max_grad_norm", 0, "--optim", "sgd", "--logging_steps", 1]
    with pytest.raises(TrainingError):
        run_flags(data, tmp_path / "broken", *broken, model="custom-fc", settings=(*EXACT, "num_layers=2"))
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_seed_decides_everything(data, tmp_path):
    for name, seed in (("first", 1), ("again", 1), ("other", 2)):
        run_flags(data, tmp_path / name, "--seed", seed, settings=RANDOM)
    assert_same(tmp_path / "first", tmp_path / "again", **EXACTLY)
    assert not weights(tmp_path / "other")["classifier.weight"].equal(weights(tmp_path / "first")["classifier.weight"])


@pytest.mark.parametrize("more", [[], ["--label_smoothing_factor", 0.3], ["--class_weights", "balanced"]], ids=str)
def test_the_training_loss_is_the_one_that_was_asked_for(tmp_path, more):
    data = write_data(tmp_path / "data")
    write_csv(data / "train.csv", reviews(40, seed=0) + [row for row in reviews(40, seed=9) if row[1] == "positive"])
    still = ["--learning_rate", 0, "--num_train_epochs", 1, "--per_device_train_batch_size", 60, "--logging_steps", 1]
    run_flags(data, tmp_path / "run", *still, *more, "--calibrate", "none", settings=EXACT)
    outputs, labels = logits(tmp_path / "run", data, "train")
    # 20 rows of class 0 and 40 of class 1: rows / (classes * rows of the class).
    weight = torch.tensor([1.5, 0.75]) if "balanced" in more else torch.ones(2)
    assert weight[labels].mean() == 1
    smoothing = 0.3 if "--label_smoothing_factor" in more else 0.0
    each = cross_entropy(outputs, labels, weight=weight, label_smoothing=smoothing, reduction="none")
    assert logged(tmp_path / "run", "loss") == pytest.approx([each.mean().item()], abs=2e-4)


@pytest.mark.parametrize("model", ["custom-gru", "bert"])
def test_the_evaluation_loss_is_the_mean_over_all_rows(data, tmp_path, model):
    """14 rows in batches of 4, the last of 2; label smoothing and class weights have no say in it."""
    settings = EXACT
    if model == "bert":
        model, settings = save_bert(tmp_path / "bert", data), ()
    more = ["--per_device_eval_batch_size", 4, "--label_smoothing_factor", 0.2, "--class_weights", "balanced"]
    report = run_flags(data, tmp_path / "run", *more, "--num_train_epochs", 1, model=model, settings=settings)
    for split, name in (("validation", "validation"), ("test", "test")):
        outputs, labels = logits(tmp_path / "run", data, split)
        assert report[name]["loss"] == pytest.approx(cross_entropy(outputs, labels).item(), abs=1e-5)
    assert logged(tmp_path / "run", "eval_loss")[0] == pytest.approx(report["validation"]["loss"], abs=1e-5)


@pytest.mark.parametrize("more", [[], ["--length_bucketing", "false", "--train_sampling_strategy", "group_by_length"]])
def test_predictions_come_back_in_the_order_of_the_rows(data, tmp_path, more):
    more = ["--per_device_eval_batch_size", 4, "--learning_rate", 0.05, *more]
    run_flags(data, tmp_path / "run", *more, settings=EXACT)
    outputs, labels = logits(tmp_path / "run", data, "test")
    written = pq.read_table(tmp_path / "run" / "predictions.parquet").to_pydict()
    assert written["row"] == list(range(22))
    assert written["label"] == labels.tolist()
    assert written["prediction"] == outputs.argmax(-1).tolist()
    assert written["probability_positive"] == pytest.approx(outputs.softmax(-1)[:, 1].tolist(), abs=1e-3)
    assert len({round(value, 3) for value in written["probability_positive"]}) > 10


@pytest.mark.parametrize("accumulation", [1, 2])
def test_a_loss_that_is_not_finite_ends_the_training_before_the_step(data, tmp_path, accumulation):
    broken = ["--learning_rate", 1e30, "--max_grad_norm", 0, "--optim", "sgd", "--save_strategy", "steps"]
    broken += ["--eval_strategy", "no", "--save_steps", 1, "--save_total_limit", 99, "--num_train_epochs", 9]
    broken += ["--gradient_accumulation_steps", accumulation]
    folder = tmp_path / "run"
    with pytest.raises(TrainingError, match="--learning_rate"):
        run_flags(data, folder, *broken, model="custom-fc", settings=(*EXACT, "num_layers=2"))
    assert not (folder / "report.json").exists()
    assert not (folder / "model.safetensors").exists()
    saved = sorted(int(path.name.split("-")[1]) for path in folder.glob("checkpoint-*"))
    said = json.loads((folder / "broken_batch.json").read_text())
    assert said["step"] == len(saved) + 1
    assert 4 <= len(said["rows"]) <= 8 * accumulation
    assert said["loss"] in ("nan", "inf") or said["grad_norm"] in ("nan", "inf")
    for step in saved:
        assert all(tensor.isfinite().all() for tensor in weights(folder / f"checkpoint-{step}").values())


def test_scores_that_are_not_finite_are_no_result(data, tmp_path):
    run_flags(data, tmp_path / "first", model="custom-gru", settings=EXACT)
    tensors = weights(tmp_path / "first")
    tensors["classifier.bias"][:] = math.nan
    save_file(tensors, tmp_path / "first" / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"test: the logits of 22 of 22 rows are not finite.*row 0"):
        run_flags(data, tmp_path / "run", "--do_predict", model=tmp_path / "first", settings=())
    assert not (tmp_path / "run" / "report.json").exists()


def test_the_row_that_breaks_a_step_is_among_those_that_are_named(data, tmp_path):
    rows = reviews(44, seed=0)
    rows[29] = ("poison " * 9, rows[29][1])
    write_csv(data / "train.csv", rows)
    first = tmp_path / "first"
    run_flags(data, first, model="custom-gru", settings=EXACT)
    tensors = weights(first)
    tensors["embedding.weight"][AutoTokenizer.from_pretrained(first).get_vocab()["poison"]] = math.nan
    save_file(tensors, first / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TrainingError, match=r"the step was not made, and its rows are in .*broken_batch.json"):
        run_flags(data, tmp_path / "run", model=first, settings=())
    said = json.loads((tmp_path / "run" / "broken_batch.json").read_text())["rows"]
    assert 4 <= len(said) <= 8
    assert [found["begins"] for found in said if found["row"] == 29] == ["poison " * 8 + "poison"]
    assert all(rows[found["row"]][0].split()[0] == found["begins"].split()[0] for found in said)


@pytest.mark.slow
def test_batches_that_do_not_fit_are_made_smaller_and_the_steps_stay_the_same(data, tmp_path, monkeypatch, caplog):
    """Memory that holds four texts, and overflows in the first step and once more after a checkpoint."""
    training_step, seen, trainers = ClassificationTrainer.training_step, [], weakref.WeakSet()

    def step(trainer, model, inputs, *args):
        trainers.add(trainer)
        assert len(trainers) == 1, "what failed is still in memory"
        seen.append(len(inputs["input_ids"]))
        if seen[-1] > 4 or len(seen) == 16:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return training_step(trainer, model, inputs, *args)

    same = flags(data, tmp_path / "same", "--gradient_accumulation_steps", 4, settings=EXACT)
    run(parse_run([*same, "--per_device_train_batch_size", "2"]))
    monkeypatch.setattr(ClassificationTrainer, "training_step", step)
    argv = flags(data, tmp_path / "run", settings=EXACT)
    with pytest.raises(InputError, match="--auto_find_batch_size"):
        run(parse_run(argv))
    gc.collect()
    report = run(parse_run([*argv, "--auto_find_batch_size"])).as_json()
    assert "2 batches of 4 texts, and 32 are scored at once" in caplog.text
    assert "4 batches of 2 texts, and 16 are scored at once" in caplog.text
    assert f"going on from {tmp_path / 'run' / 'checkpoint-6'}" in caplog.text
    assert report["steps"] == 12
    assert_same(tmp_path / "run", tmp_path / "same", rtol=1e-4, atol=1e-6)


def test_a_batch_that_cannot_be_made_smaller_is_refused(data, tmp_path, monkeypatch):
    def step(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(ClassificationTrainer, "training_step", step)
    with pytest.raises(InputError, match="does not fit into memory"):
        run_flags(data, tmp_path / "run", "--auto_find_batch_size", settings=EXACT)


def test_training_stops_when_validation_improves_no_more(data, tmp_path):
    more = ["--learning_rate", 0, "--num_train_epochs", 9, "--early_stopping_patience", 2]
    report = run_flags(data, tmp_path / "run", *more, settings=EXACT)
    assert (report["epochs"], report["best_step"]) == (3, 6)


def test_an_interrupted_run_stops_early_where_an_undisturbed_one_does(data, tmp_path):
    more = ["--learning_rate", 0, "--num_train_epochs", 9, "--early_stopping_patience", 2]
    argv = flags(data, tmp_path / "run", *more, settings=EXACT)
    for step in (6, 14):
        run_until(Stop(step), argv)
    assert run(parse_run(argv)).epochs == 3


def interrupt(*args, **kwargs):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "more", [["--num_train_epochs", 9, "--early_stopping_patience", 1], ["--max_steps", 8]], ids=str
)
def test_a_run_that_was_cut_off_while_it_was_tested_trains_no_further(data, tmp_path, monkeypatch, more):
    """By early stopping after two epochs, and by its number of steps within the second epoch; step 6 is the best."""
    more, folder = ["--learning_rate", 0, *more], tmp_path / "run"
    report = run_flags(data, folder, *more, settings=EXACT)
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-6"]
    shutil.rmtree(folder)
    with monkeypatch.context() as patch:
        patch.setattr(ClassificationTrainer, "predict", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_flags(data, folder, *more, settings=EXACT)
    monkeypatch.delattr(SafeTrainer, "training_step")
    monkeypatch.delattr(Trainer, "training_step")
    again = run_flags(data, folder, *more, settings=EXACT)
    assert [path.name for path in folder.glob("checkpoint-*")] == ["checkpoint-6"]
    for name in ("steps", "best_step", "train_tokens", "validation", "test"):
        assert again[name] == report[name], name


def test_without_evaluation_the_patience_of_a_recipe_has_no_say(data, tmp_path):
    (tmp_path / "recipe.yaml").write_text("early_stopping_patience: 1\n")
    more = ["--eval_strategy", "no", "--config", tmp_path / "recipe.yaml"]
    assert run_flags(data, tmp_path / "run", *more, settings=EXACT)["steps"] == 12


def test_what_is_left_out_of_training_is_still_scored(data, tmp_path):
    report = run_flags(data, tmp_path / "run", "--dataloader_drop_last", "true", settings=EXACT)
    assert (report["steps"], report["validation"]["rows"], report["test"]["rows"]) == (10, 14, 22)


@pytest.mark.parametrize("kind", ["bart", "fnet"])
def test_stock_models_that_return_more_or_take_no_mask_are_tuned(data, tmp_path, kind):
    folder = save_bert(tmp_path / "stock", data)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sizes = {"vocab_size": len(tokenizer), "max_position_embeddings": 64, "pad_token_id": 0}
    if kind == "bart":
        ends = {"bos_token_id": 2, "eos_token_id": 3, "decoder_start_token_id": 3}
        parts = {f"{part}_{name}": 8 for part in ("encoder", "decoder") for name in ("ffn_dim", "layers")}
        parts |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2}
        config = BartConfig(d_model=8, **sizes, **ends, **parts)
    else:
        config = FNetConfig(hidden_size=8, num_hidden_layers=1, intermediate_size=8, **sizes)
        tokenizer.model_input_names = ["input_ids", "token_type_ids"]
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    report = run_flags(data, tmp_path / "run", "--num_train_epochs", 1, model=folder, settings=())
    tokens = sum(min(32, 2 + len(text.split())) for text in read_csv_table(data / "train.csv").columns["text"])
    assert (report["test"]["rows"], report["train_tokens"]) == (22, tokens)


def test_what_is_saved_and_tested_is_the_best_by_validation(tmp_path):
    """Validation contradicts train, so that every epoch makes it worse."""
    data = write_data(tmp_path / "data", train=64)
    opposite = {"positive": "negative", "negative": "positive"}
    write_csv(data / "validation.csv", [(text, opposite[label]) for text, label in reviews(60, seed=5)])
    more = ["--num_train_epochs", 6, "--learning_rate", 0.05, "--early_stopping_patience", 9, "--save_total_limit", 9]
    more += ["--calibrate", "none"]
    report = run_flags(data, tmp_path / "run", *more, settings=EXACT)
    accuracies = logged(tmp_path / "run", "eval_accuracy")
    assert len(accuracies) == 6
    assert accuracies[-1] < max(accuracies)
    assert report["best_step"] == 8 * (1 + accuracies.index(max(accuracies))) < report["steps"] == 48
    assert report["validation"]["accuracy"] == max(accuracies)
    assert_same(tmp_path / "run", tmp_path / "run" / f"checkpoint-{report['best_step']}", **EXACTLY)


def test_tokens_are_counted_without_padding_and_over_all_epochs(data, tmp_path):
    report = run_flags(data, tmp_path / "run", settings=EXACT)
    # One [CLS] before the words of each text.
    tokens = sum(1 + len(text.split()) for text in read_csv_table(data / "train.csv").columns["text"])
    assert report["train_tokens"] == 2 * tokens
    assert report["train_tokens_per_second"] == pytest.approx(2 * tokens / report["train_seconds"])

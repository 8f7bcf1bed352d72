"""With --dp_epsilon no row of train has more of a say than ε and δ allow, and nothing else reads private texts."""

import json
import math
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import TINY, Stop, flags, read_report, run_until, save_bert, weights, write_data
from safetensors.torch import load_file
from torch.nn.functional import cross_entropy
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer

from custom_models import MODEL_NAMES
from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.layout import PRIVACY
from sentiment_hf.models.adapters import apply_tuning
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training import private
from sentiment_hf.training.private import Chance, PoissonBatches, PrivacyPlan, PrivateTrainer, read_privacy
from sentiment_hf.training.row_gradients import RowGradients

SMALL = {"embedding_size": 8, "hidden_size": 8, "dropout": 0.0}
MODELS = {
    **{name: (name, SMALL) for name in MODEL_NAMES},
    "custom-ngram": ("custom-ngram", {"num_buckets": 7, "dropout": 0.0}),
    "custom-transformer": ("custom-transformer", SMALL | {"layer_dropout": 0.0}),
    "fc, attention": ("custom-fc", SMALL | {"pooling": "attention", "num_layers": 2}),
    "lstm, both ways": ("custom-lstm", SMALL | {"bidirectional": True, "num_layers": 2, "pooling": "concat"}),
    "gru, textbook": ("custom-gru", SMALL | {"implementation": "reference"}),
    "attention, textbook": ("custom-attention", SMALL | {"implementation": "reference"}),
    "bert, lora": ("lora", {}),
    "bert, head": ("head", {}),
}


def made(kind: str, settings: dict, home: Path) -> torch.nn.Module:
    """A model that is trained in private, without dropout."""
    torch.manual_seed(0)
    if kind in MODEL_NAMES:
        config = AutoConfig.for_model(kind, vocab_size=30, pad_token_id=0, num_labels=3, **settings)
        return AutoModelForSequenceClassification.from_config(config)
    folder = save_bert(home / "bert", write_data(home / "data"), rows=30)
    dropouts = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=3, **dropouts)
    return apply_tuning(model, parse_run(["--model", str(folder), "--tuning", kind]))


def batch_of(lengths: tuple[int, ...]) -> dict[str, torch.Tensor]:
    """Texts of these lengths, padded; tokens come twice in a text."""
    chance = torch.Generator().manual_seed(1)
    mask = (torch.arange(max(lengths)) < torch.tensor(lengths).unsqueeze(1)).long()
    ids = torch.randint(1, 9, mask.shape, generator=chance) * mask
    return {"input_ids": ids, "attention_mask": mask, "labels": torch.arange(len(lengths)) % 3}


def loss_of(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    inputs = {name: values for name, values in batch.items() if name != "labels"}
    return cross_entropy(model(**inputs).logits, batch["labels"], reduction="sum")


def clipped_sum(model, watched: RowGradients, batch: dict, limit: float) -> dict[str, torch.Tensor]:
    model.zero_grad()
    with watched.watching():
        model.train()
        loss_of(model, batch).backward()
    return watched.clipped(len(batch["labels"]), limit)


def distance(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return math.sqrt(sum(float((one[name] - other[name]).square().sum()) for name in one))


@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize("name", MODELS)
def test_no_row_moves_the_sum_of_gradients_by_more_than_max_grad_norm(name, tmp_path):
    model = made(*MODELS[name], tmp_path)
    names, batch = model.state_dict().keys(), batch_of((7, 9, 1, 4, 9))
    watched = RowGradients(model)
    rows = [{key: values[row : row + 1] for key, values in batch.items()} for row in range(5)]
    alone = []
    for row in rows:
        model.zero_grad()
        loss_of(model, row).backward()
        alone.append({key: weight.grad.clone() for key, weight in watched.trained.items() if weight.grad is not None})
    lengths = [math.sqrt(sum(float(part.square().sum()) for part in gradient.values())) for gradient in alone]
    # Some are shortened, and some are not.
    limit = sorted(lengths)[2]
    found = clipped_sum(model, watched, batch, limit)
    expected = {
        key: sum(gradient[key] * min(1, limit / length) for gradient, length in zip(alone, lengths, strict=True))
        for key in alone[0]
    }
    assert found.keys() == expected.keys()
    assert distance(found, expected) < 1e-4 * limit
    for left_out in range(5):
        others = {key: torch.cat([values[:left_out], values[left_out + 1 :]]) for key, values in batch.items()}
        assert distance(found, clipped_sum(model, watched, others, limit)) < 1.0001 * limit
    assert model.state_dict().keys() == names


@pytest.mark.filterwarnings("ignore:Full backward hook")
@pytest.mark.parametrize(
    ("kind", "settings"),
    [
        ("custom-transformer", SMALL | {"positions": "learned", "layer_dropout": 0.0}),
        ("custom-lstm", SMALL | {"sentence_ends": [5]}),
    ],
)
def test_a_layer_that_does_not_know_rows_is_refused_by_name(kind, settings, tmp_path):
    model = made(kind, settings, tmp_path)
    with pytest.raises(InputError, match=r"what each text adds to the gradient of \S+ is not known"):
        clipped_sum(model, RowGradients(model), batch_of((7, 9, 4)), 1.0)


PLAN = PrivacyPlan(8.0, 1e-3, 1.0, 0.7, 0.1, 4, 1000)


def test_a_step_takes_each_row_with_the_same_probability_and_none_by_the_other():
    batches = PoissonBatches(40, PLAN, Chance(b"secret"))
    taken = np.zeros((1000, 40))
    for epoch in range(100):
        batches.set_epoch(epoch)
        for step, rows in enumerate(batches):
            taken[epoch * 10 + step, rows] = 1
    assert len(batches) == 10
    assert abs(taken.mean() - 0.1) < 0.01
    assert taken.mean(0).min() > 0.06
    # Binomial, and neighbours do not know of each other.
    assert abs(taken.sum(1).var() - 40 * 0.1 * 0.9) < 0.6
    assert not taken.sum(1).all()
    assert abs(np.corrcoef(taken.T)[np.triu_indices(40, 1)].mean()) < 0.01


def test_noise_is_normal_and_that_of_a_step_is_drawn_again_by_who_has_the_secret():
    noise = Chance(b"secret").normal("noise", 3, 100_000)
    assert abs(noise.mean()) < 0.02
    assert abs(noise.std() - 1) < 0.01
    assert abs((np.abs(noise) > 2).mean() - 0.0455) < 0.003
    assert np.array_equal(noise, Chance(b"secret").normal("noise", 3, 100_000))
    others = (Chance(b"other").normal("noise", 3, 100_000), Chance(b"secret").normal("noise", 4, 100_000))
    assert all(abs(np.corrcoef(noise, other)[0, 1]) < 0.02 for other in others)


def private_flags(data: Path, output: Path, *more, model: str = "custom-fc", **kwargs) -> list[str]:
    argv = flags(data, output, "--dp_epsilon", "8", *more, model=model, **kwargs)
    if model in MODEL_NAMES:
        place = argv.index("--min_frequency")
        argv = [*argv[:place], *argv[place + 2 :], *([] if "--tokenizer" in more else ["--tokenizer", "bytes"])]
    return argv


BUCKETS = ("num_buckets=64",)


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def finished(data) -> Path:
    """The folder of a run of two epochs, or ten steps, of n-grams."""
    run(
        parse_run(private_flags(data, data / "run", "--save_total_limit", "2", model="custom-ngram", settings=BUCKETS))
    )
    return data / "run"


def test_the_report_says_what_was_spent_and_how(finished):
    privacy = read_report(finished)["privacy"]
    assert 7.9 < privacy["epsilon_rdp"] <= 8
    assert 0 < privacy["epsilon_prv"] < privacy["epsilon_rdp"]
    expected = {"delta": 1 / 400, "max_grad_norm": 1, "sample_rate": 8 / 40, "batch": 8, "steps": 10}
    assert {name: privacy[name] for name in expected} == expected
    assert privacy["noise_multiplier"] > 0.3
    assert privacy["planned_steps"] == 10


def test_the_card_says_what_is_covered_and_tells_nothing_of_train_beside_it(finished):
    card = (finished / "README.md").read_text()
    section = card.split("## Privacy")[1].split("\n## ")[0]
    for said in ("any one of the 40 rows of train", "ε is at most", "Not covered", "validation (14)", "test (22)"):
        assert said in section
    assert "the temperature" in section
    assert "stand in test" not in card
    assert "of the training texts" not in card
    lines = (finished / "metrics.jsonl").read_text().splitlines()
    losses = [entry["loss"] for entry in map(json.loads, lines) if "loss" in entry]
    assert not any(f"{loss:.4f}" in card for loss in losses)


def test_the_secret_is_gone_when_the_run_is_finished_and_n_grams_were_not_prepared(finished):
    assert sorted(path.name for path in finished.glob("checkpoint-*")) == ["checkpoint-10", "checkpoint-5"]
    assert list(finished.rglob(PRIVACY)) == []
    scales = [values for name, values in weights(finished).items() if name.endswith("_scale")]
    assert len(scales) == 2
    assert all(bool((values == 1).all()) for values in scales)


@pytest.mark.parametrize(
    ("model", "settings"),
    [
        ("custom-fc", TINY),
        pytest.param("custom-ngram", BUCKETS, marks=pytest.mark.slow),
        pytest.param("custom-lstm", TINY, marks=pytest.mark.slow),
        pytest.param("lora", (), marks=pytest.mark.slow),
    ],
)
def test_an_interrupted_run_goes_on_to_the_same_weights(data, tmp_path, monkeypatch, model, settings):
    given = {"model": model, "settings": ("dropout=0.3", *settings)}
    more = []
    if model == "lora":
        given, more = {"model": str(save_bert(tmp_path / "bert", data)), "settings": ()}, ["--tuning", "lora"]
    monkeypatch.setattr(private.secrets, "token_bytes", lambda count: bytes(range(count)))
    argv = private_flags(data, tmp_path / "stopped", *more, **given)
    run_until(Stop(7), argv)
    # A run that goes on has the secret of its checkpoint, and not a new one.
    monkeypatch.setattr(private.secrets, "token_bytes", lambda count: b"x" * count)
    report = run(parse_run(argv))
    monkeypatch.setattr(private.secrets, "token_bytes", lambda count: bytes(range(count)))
    undisturbed = run(parse_run(private_flags(data, tmp_path / "whole", *more, **given)))
    name = "adapter_model.safetensors" if more else "model.safetensors"
    found, expected = (load_file(tmp_path / folder / name) for folder in ("stopped", "whole"))
    assert all(found[name].equal(expected[name]) for name in expected)
    assert report.privacy == undisturbed.privacy
    if model == "custom-lstm":
        run(parse_run(flags(data, tmp_path / "plain", "--max_steps", "1", **given)))
        assert expected.keys() == weights(tmp_path / "plain").keys()


def test_a_step_adds_noise_of_the_planned_size_and_a_step_without_rows_has_nothing_else(data, tmp_path, monkeypatch):
    steps = []

    def watched(trainer, sums):
        before = {name: total.clone() for name, total in sums.items()}
        set_noisy(trainer, sums)
        trained, plan = trainer.gradients.trained, trainer.plan
        added = torch.cat([(trained[name].grad * plan.batch - before[name]).flatten() for name in before])
        texts = math.sqrt(sum(float(total.square().sum()) for total in before.values()))
        steps.append((texts, float(added.std()) / (plan.noise_multiplier * plan.max_grad_norm)))

    set_noisy = PrivateTrainer.set_noisy
    monkeypatch.setattr(PrivateTrainer, "set_noisy", watched)
    argv = private_flags(data, tmp_path / "run", "--dp_max_grad_norm", "0.3", "--per_device_train_batch_size", "1")
    run(parse_run([*argv, "--eval_strategy", "no", "--max_steps", "40"]))
    texts, noise = zip(*steps, strict=True)
    assert len(steps) == 40
    assert min(texts) == 0
    assert max(texts) > 0
    assert all(0.93 < size < 1.07 for size in noise)


def test_dropout_is_of_the_secret_of_a_run_and_of_the_step_and_not_of_the_seed(data, tmp_path, monkeypatch):
    add_piece, seeds = PrivateTrainer.add_piece, []

    def watched(trainer, *args):
        seeds.append((trainer.state.global_step, torch.initial_seed()))
        return add_piece(trainer, *args)

    monkeypatch.setattr(PrivateTrainer, "add_piece", watched)
    for name in ("first", "second"):
        run(parse_run(private_flags(data, tmp_path / name, "--seed", 7, "--max_steps", 3)))
    # A step draws once, whatever its pieces; no two steps of the two runs draw alike.
    assert len({seed for _, seed in seeds}) == 6
    assert 7 not in {seed for _, seed in seeds}


@pytest.mark.slow
def test_lora_is_trained_and_the_report_says_what_is_taken_as_public(data, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    argv = private_flags(data, tmp_path / "run", "--tuning", "lora", model=str(bert), settings=())
    assert run(parse_run(argv)).privacy["steps"] == 10
    assert "none of these rows went into the weights of bert" in (tmp_path / "run" / "README.md").read_text()
    merge = flags(data, tmp_path / "merged", "--do_eval", "--merge_adapter", model=tmp_path / "run", settings=())
    assert run(parse_run(merge)).privacy == read_report(tmp_path / "run")["privacy"]
    sections = [(tmp_path / name / "README.md").read_text().split("## Privacy")[1] for name in ("run", "merged")]
    bound = [section.split("Not covered")[0] for section in sections]
    assert bound[0] == bound[1]
    assert "by which the adapter was calibrated" in sections[1]
    assert "flag_unlike" not in sections[1]


@pytest.mark.slow
def test_a_damaged_accountant_is_set_aside_with_its_checkpoint_and_the_older_one_spends_no_more(
    data, tmp_path, caplog
):
    argv = private_flags(data, tmp_path / "run", "--save_total_limit", "3")
    run_until(Stop(7), argv)
    file = tmp_path / "run" / "checkpoint-7" / PRIVACY
    file.write_text(file.read_text().replace("7", "1", 1))
    report = run(parse_run(argv))
    assert "privacy.json has other bytes than were written" in caplog.text
    assert report.steps == 10
    assert report.privacy["epsilon_rdp"] <= 8


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "is damaged"),
        (lambda text: text.replace('"secret"', '"sekret"'), "is damaged"),
        (lambda text: text.replace('"steps_made": 7', '"steps_made": 3'), "does not belong to this run"),
        (lambda text: text.replace('"max_grad_norm": 1.0', '"max_grad_norm": 2.0'), "does not belong to this run"),
    ],
)
def test_an_accountant_that_says_something_else_is_refused(tmp_path, change, said):
    file = tmp_path / "checkpoint-7" / PRIVACY
    file.parent.mkdir()
    text = json.dumps(asdict(PLAN) | {"steps_made": 7, "secret": "00" * 32})
    file.write_text(text)
    assert read_privacy(file.parent, PLAN)[1].secret == bytes(32)
    file.write_text(change(text))
    with pytest.raises(InputError, match=f"checkpoint-7.privacy.json {said}"):
        read_privacy(file.parent, PLAN)


REFUSED = [
    (["--tokenizer", "word"], "--tokenizer word: its vocabulary would tell"),
    (["--tokenizer", "word", "--model", "custom-ngram"], "--tokenizer word"),
    (["--word_vectors", "glove.txt"], "--word_vectors"),
    (["--class_weights", "balanced"], "--class_weights"),
    (["--early_stopping_patience", "3"], "--early_stopping_patience"),
    (["--load_best_model_at_end", "true"], "--load_best_model_at_end"),
    (["--max_grad_norm", "1"], "--max_grad_norm: --dp_max_grad_norm"),
    (["--refit"], "--refit"),
    (["--bf16"], "--bf16"),
    (["--bf16", "auto"], "--bf16"),
    (["--torch_compile"], "--torch_compile"),
    (["--gradient_accumulation_steps", "2"], "--gradient_accumulation_steps"),
    (["--adversarial", "at"], "--adversarial"),
    (["--task", "regression"], "--task regression"),
    (["--task", "multi_label", "--pos_weight", "balanced"], "--pos_weight"),
    (["--extra_column_names", "price"], "--extra_column_names"),
    (["--min_class_rows", "5"], "--min_class_rows"),
    (["--long_texts", "windows"], "--long_texts windows"),
    (["--optim", "adalomo"], "--optim adalomo"),
    (["--lr_scheduler_type", "reduce_lr_on_plateau"], "--lr_scheduler_type"),
    (["--force_resume"], "--force_resume"),
    (["--model_config", "weight_dropout=0.2", "--model", "custom-lstm"], "weight_dropout"),
    (["--model_config", "exact=true", "--model", "custom-ngram"], "exact"),
    (["--model", "baseline-nb-svm"], "dp_epsilon"),
    (["--model", "me/bert"], "--tuning lora or head"),
    (["--model", "me/bert", "--tuning", "lora", "--use_dora"], "--use_dora"),
    (["--vocab_size", "99"], "--vocab_size: --tokenizer bytes has its vocabulary already"),
    (["--dp_epsilon", "0"], "--dp_epsilon 0.0 is out of range"),
    (["--dp_delta", "2"], "--dp_delta 2.0 is out of range"),
    (["--do_eval"], "--dp_epsilon trains in private"),
]


@pytest.mark.parametrize(("words", "said"), REFUSED, ids=lambda value: " ".join(value) if type(value) is list else "")
def test_what_would_see_private_texts_without_noise_is_refused_by_name(words, said):
    argv = ["--model", "custom-fc", "--tokenizer", "bytes", "--dp_epsilon", "8"]
    if "me/bert" in words or "baseline-nb-svm" in words:
        argv = ["--dp_epsilon", "8"]
    with pytest.raises(InputError, match=said):
        parse_run([*argv, *words])


def test_a_model_that_was_trained_here_and_flags_without_epsilon_are_refused(finished):
    with pytest.raises(InputError, match="was trained already, perhaps on private texts"):
        parse_run(["--model", str(finished), "--dp_epsilon", "8"])
    with pytest.raises(InputError, match="--dp_delta belongs to --dp_epsilon"):
        parse_run(["--model", "custom-fc", "--dp_delta", "1e-5"])


def test_a_delta_that_allows_to_publish_a_row_is_refused(data, tmp_path):
    with pytest.raises(InputError, match=r"--dp_delta 0.05: with 40 rows of train"):
        run(parse_run(private_flags(data, tmp_path / "run", "--dp_delta", "0.05")))


def test_a_dry_run_says_noise_rate_steps_and_epsilon(data, tmp_path, capsys):
    assert run_command([*private_flags(data, tmp_path / "run"), "--dry_run"]) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("privacy"))
    for said in ("ε 8.00 (RDP;", "δ 0.0025", "10 steps of 8 texts", "noise"):
        assert said in line


def test_without_opacus_the_extra_is_named_before_anything_is_read(monkeypatch):
    monkeypatch.setitem(sys.modules, "opacus", None)
    with pytest.raises(InputError, match=r"opacus is not installed: pip install 'sentiment-hf\[dp\]'"):
        parse_run(["--model", "custom-fc", "--tokenizer", "bytes", "--dp_epsilon", "8"])


@pytest.mark.parametrize("where", ["folder", pytest.param("file", marks=pytest.mark.slow), "Hub"])
def test_a_tokenizer_of_another_model_is_taken_as_it_is(data, tmp_path, hub, where):
    bert = save_bert(tmp_path / "bert", data)
    names = {"folder": bert, "file": bert / "tokenizer.json", "Hub": "me/bert"}
    files = {file.name: file.read_bytes() for file in bert.iterdir() if file.suffix != ".safetensors"}
    hub.add("me/bert", files)
    argv = private_flags(data, tmp_path / "run", "--max_steps", "1", "--tokenizer", names[where])
    run(parse_run(argv))
    saved = json.loads((tmp_path / "run" / "tokenizer.json").read_text())["model"]["vocab"]
    assert saved == json.loads((bert / "tokenizer.json").read_text())["model"]["vocab"]
    assert "none of these rows went into the tokenizer of " in (tmp_path / "run" / "README.md").read_text()
    # The limit of the model to which it belongs is not that of this one.
    assert AutoTokenizer.from_pretrained(tmp_path / "run").model_max_length == 1000

"""--adversarial moves the vectors of a text as far as it says, to where the loss is larger; --ema averages weights."""

from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import small_model
from helpers import (
    OTHER_TASKS,
    TINY,
    Stop,
    flags,
    relabelled,
    reviews,
    run_flags,
    run_until,
    save_bert,
    weights,
    write_csv,
    write_data,
)
from safetensors.torch import load_file
from tasks.test_every_task import EVERY, rows

from custom_models import MODEL_NAMES
from sentiment_hf.cli import run_command
from sentiment_hf.common.errors import InputError
from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.adversarial import (
    adversarial_step,
    moved,
    repeated,
    scaled,
    virtual_loss,
    watched,
    worst_move,
)

READERS = [name for name in MODEL_NAMES if name != "custom-ngram"]
IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, 0, 0, 0]])
MASK = torch.tensor([[1] * 6, [1, 1, 1, 0, 0, 0]])
LABELS = torch.tensor([0, 2])
EPSILON = 5.0


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


def loss_of(model) -> torch.Tensor:
    return model(input_ids=IDS, attention_mask=MASK, labels=LABELS).loss


def move_of(model) -> torch.Tensor:
    with watched(model.get_input_embeddings()) as outputs:
        loss_of(model).backward()
    return worst_move(outputs, EPSILON)


@pytest.mark.parametrize("name", READERS)
def test_a_move_has_the_length_of_the_paper_and_leaves_padding_where_it_is(name):
    model = small_model(name)
    move = move_of(model)
    vectors = model.get_input_embeddings()(IDS)[MASK.bool()]
    normalised = move / vectors.std(0, correction=0)
    length = EPSILON * (12 / 256) ** 0.5
    torch.testing.assert_close(normalised.flatten(1).norm(dim=1), torch.full((2,), length))
    assert (move[~MASK.bool()] == 0).all()


@pytest.mark.parametrize("name", READERS)
def test_the_loss_is_larger_there_than_on_the_other_side(name):
    model = small_model(name)
    embedding, move = model.get_input_embeddings(), move_of(model) / 20
    losses = []
    for side in (move, -move):
        with moved(embedding, side):
            losses.append(loss_of(model).item())
    assert losses[0] > loss_of(model).item() > losses[1]


def test_a_step_adds_the_gradients_of_both_passes_and_leaves_no_hook():
    model = small_model("custom-gru")
    move = move_of(model)
    model.zero_grad()
    loss_of(model).backward()
    with moved(model.get_input_embeddings(), move):
        loss_of(model).backward()
    wanted = {name: weight.grad.clone() for name, weight in model.named_parameters()}
    model.zero_grad()

    def step():
        loss = loss_of(model)
        loss.backward()
        return loss.detach()

    loss = adversarial_step(model.get_input_embeddings(), EPSILON, step, nullcontext())
    assert loss == loss_of(model)
    assert not model.get_input_embeddings()._forward_hooks
    for name, weight in model.named_parameters():
        torch.testing.assert_close(weight.grad, wanted[name])


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name in ("custom-lstm", "custom-textcnn") else pytest.mark.slow)
        for name in READERS
    ],
)
def test_every_model_that_reads_vectors_can_be_trained_so_with_averaged_weights(data, name, tmp_path):
    for kind in ("at", "vat"):
        run_flags(data, tmp_path / kind, "--adversarial", kind, "--ema", "0.9", model=name)
    at, vat = weights(tmp_path / "at"), weights(tmp_path / "vat")
    assert any(not torch.equal(at[key], vat[key]) for key in at)


def test_each_flag_changes_what_is_learned(data, tmp_path):
    more = ((), ("--adversarial", "at"), ("--adversarial", "vat"), ("--ema", "0.9"))
    found = []
    for number, flags_of_run in enumerate(more):
        run_flags(data, tmp_path / str(number), *flags_of_run)
        found.append(weights(tmp_path / str(number))["classifier.weight"])
    assert not any(torch.equal(found[a], found[b]) for a in range(4) for b in range(a))


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_so_can_a_pretrained_one(data, tuning, tmp_path):
    bert = save_bert(tmp_path / "bert", data)
    more = ("--adversarial", "at", "--ema", "0.9", "--tuning", tuning)
    report = run_flags(data, tmp_path / "run", *more, model=bert, settings=())
    assert report["flags"]["adversarial"] == "at"
    assert report["flags"]["ema"] == 0.9


@pytest.mark.parametrize("task", EVERY)
def test_a_divergence_is_0_at_the_same_outputs_and_positive_at_others(task):
    logits = torch.from_numpy(rows(EVERY[task], 30)[0])
    others = logits + torch.randn(logits.shape, generator=torch.Generator().manual_seed(0)) * logits.std()
    same, apart = (EVERY[task].divergence(logits, found) for found in (logits, others))
    assert same.shape == apart.shape == (30,)
    assert same.abs().max() < 1e-5
    assert (apart > 0).all()
    if task == "single_label":
        p, q = (torch.distributions.Categorical(logits=found) for found in (logits, others))
        torch.testing.assert_close(apart, torch.distributions.kl_divergence(p, q))


@pytest.mark.parametrize("name", READERS)
def test_outputs_change_more_along_the_virtual_move_than_along_a_random_one(name):
    """With dropout too, of which all passes have the same."""
    model = small_model(name, dropout=0.3).train()
    embedding = model.get_input_embeddings()
    divergence = EVERY["single_label"].divergence
    forward = repeated(lambda: model(input_ids=IDS, attention_mask=MASK).logits)
    logits, vectors = forward(), embedding(IDS)
    assert torch.equal(logits, forward())
    virtual = virtual_loss(embedding, 1.0, forward, vectors, logits, divergence)
    chance, by_chance = torch.Generator().manual_seed(1), []
    for _ in range(20):
        draw = torch.randn(vectors.shape, generator=chance) * MASK.unsqueeze(-1)
        with moved(embedding, scaled(draw, vectors.detach(), 1.0)):
            by_chance.append(divergence(logits, forward()))
    assert (virtual > 2 * torch.stack(by_chance).mean(0)).all()
    virtual.sum().backward()
    assert all(weight.grad is not None for key, weight in model.named_parameters() if "classifier" in key)


def test_texts_without_labels_have_a_say_in_virtual_training_and_labels_weigh_as_before(data, tmp_path):
    texts = write_csv(tmp_path / "alone.csv", [(text,) for text, _ in reviews(60, 9)], ("text",))
    more = ("--adversarial", "vat", "--unlabelled_file", texts)
    report = run_flags(data, tmp_path / "run", *more)
    assert report["data"]["unlabelled"]["rows"] == 60
    run_flags(data, tmp_path / "labels", "--adversarial", "vat", "--max_steps", report["steps"])
    a, b = weights(tmp_path / "run"), weights(tmp_path / "labels")
    assert a["embedding.weight"].shape != b["embedding.weight"].shape or not torch.equal(
        *(one["classifier.weight"] for one in (a, b))
    )


@pytest.mark.parametrize("task", OTHER_TASKS)
def test_every_task_can_be_trained_virtually(data, task, tmp_path):
    labels, task_flags = OTHER_TASKS[task]
    own = relabelled(data, tmp_path / "data", labels)
    assert run_flags(own, tmp_path / "run", *task_flags, "--adversarial", "vat", model="custom-fc")["task"] == task


def test_virtual_steps_of_small_batches_add_up(data, tmp_path):
    """The spread of the vectors is that of a batch, so that the moves are nearly and not quite the same."""
    size = "--per_device_train_batch_size"
    plain = ("--adversarial", "vat", "--optim", "sgd", "--learning_rate", "0.1", "--max_grad_norm", "1000")
    exact = (*TINY, "dropout=0", "embedding_dropout=0")
    run_flags(data, tmp_path / "big", *plain, size, "16", settings=exact)
    run_flags(data, tmp_path / "small", *plain, size, "4", "--gradient_accumulation_steps", "4", settings=exact)
    big, small = weights(tmp_path / "big"), weights(tmp_path / "small")
    assert all(torch.allclose(big[key], small[key], atol=0.02) for key in big)


def test_the_saved_weights_are_the_average_of_those_after_each_step(data, tmp_path):
    every = ("--save_strategy", "steps", "--save_steps", "1", "--eval_strategy", "no", "--save_total_limit", "100")
    run_flags(data, tmp_path, "--ema", "0.9", "--calibrate", "none", *every)
    steps = sorted(tmp_path.glob("checkpoint-*"), key=lambda folder: int(folder.name.split("-")[1]))
    last = [load_file(folder / "last_step.safetensors") for folder in steps]
    assert len(last) == 10
    # After the first step the random weights of the start, which no file has, weigh 2 / 11.
    for name in last[0]:
        start = (weights(steps[0])[name] - 9 / 11 * last[0][name]) * 11 / 2
        average = start
        for step, found in enumerate(last, start=1):
            kept = min(0.9, (1 + step) / (10 + step))
            average = kept * average + (1 - kept) * found[name]
        torch.testing.assert_close(weights(tmp_path)[name], average, atol=1e-5, rtol=1e-4)


def test_without_a_best_checkpoint_the_averages_are_saved_all_the_same(data, tmp_path):
    plain = ("--calibrate", "none", "--eval_delay", "100", "--learning_rate", "1e-2")
    run_flags(data, tmp_path, "--ema", "0.99", *plain)
    last = next(tmp_path.glob("checkpoint-*"))
    assert torch.equal(weights(tmp_path)["classifier.weight"], weights(last)["classifier.weight"])
    steps = load_file(last / "last_step.safetensors")
    assert not torch.equal(weights(tmp_path)["classifier.weight"], steps["classifier.weight"])


def test_texts_whose_words_are_all_dropped_are_not_moved():
    vectors = torch.randn(2, 3, 12)
    assert torch.equal(scaled(torch.zeros_like(vectors), vectors, EPSILON), torch.zeros_like(vectors))
    with pytest.raises(InputError, match="looks them up 2 times"):
        worst_move([vectors, vectors], EPSILON)


def test_validation_scores_the_weights_that_are_saved(data, tmp_path):
    report = run_flags(data, tmp_path / "run", "--ema", "0.9", "--learning_rate", "1e-2", "--calibrate", "none")
    again = run_flags(data, tmp_path / "again", "--do_eval", "true", model=tmp_path / "run", settings=())
    assert report["validation"] == again["validation"]


@pytest.mark.parametrize("kind", ["at", pytest.param("vat", marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_with_the_weights_of_an_undisturbed_one(data, kind, tmp_path):
    more = ("--adversarial", kind, "--ema", "0.9", *(["--refit", "true"] if kind == "at" else []))
    words = [flags(data, tmp_path / name, *more) for name in "ab"]
    run(parse_run(words[0]))
    run_until(Stop(7), words[1])
    run(parse_run(words[1]))
    a, b = weights(tmp_path / "a"), weights(tmp_path / "b")
    assert all(np.array_equal(a[name], b[name]) for name in a)


def test_what_has_no_vectors_of_words_to_move_is_refused(data, tmp_path, capsys):
    for words, said in {
        ("--model", "custom-ngram", "--adversarial", "at"): "custom-ngram has scores of n-grams",
        ("--adversarial", "at", "--torch_compile", "true"): "--torch_compile does not allow",
        ("--adversarial_epsilon", "2"): "--adversarial moves vectors, which is not given",
        ("--adversarial", "at", "--adversarial_epsilon", "0"): "expected more than 0",
        ("--ema", "1"): "expected more than 0 and less than 1",
    }.items():
        assert run_command(flags(data, tmp_path / "run", *words)) == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "run").exists()

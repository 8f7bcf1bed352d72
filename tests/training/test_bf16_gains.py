"""--bf16 auto is yes where a gain was measured, and no where instructions, model type or gain are missing."""

import json
import math

import pytest
import torch
from helpers import flags, run_flags, save_bert, write_data

from custom_models import MODEL_NAMES
from sentiment_hf.cli import run_command
from sentiment_hf.common.processor import INSTRUCTION_SETS
from sentiment_hf.training.bf16_gains import GAINS, LEAST_GAIN, auto_bf16, device_sets

MEASURED = [(name, model_type, gain) for name, gains in GAINS.items() for model_type, gain in gains.items()]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.mark.parametrize("model_type", [*MODEL_NAMES, "bert", None])
def test_without_the_instructions_it_is_no_for_every_model(model_type):
    assert auto_bf16(model_type, []) == (False, "no instructions for bfloat16")


@pytest.mark.parametrize(("name", "model_type", "gain"), MEASURED)
def test_a_gain_that_is_large_enough_decides_and_is_said(name, model_type, gain):
    assert model_type in (*MODEL_NAMES, "bert")
    assert auto_bf16(model_type, [name]) == (gain >= LEAST_GAIN, f"{name}, {model_type} {gain:.1f} times as fast")


def test_an_lstm_gains_by_amx_and_a_gru_does_not():
    assert auto_bf16("custom-lstm", ["amx_bf16"]) == (True, "amx_bf16, custom-lstm 2.1 times as fast")
    assert auto_bf16("custom-gru", ["amx_bf16", "avx512_bf16"]) == (False, "amx_bf16, custom-gru 0.9 times as fast")


@pytest.mark.parametrize("model_type", dict.fromkeys(model_type for _, model_type, _ in MEASURED))
def test_of_several_instructions_the_first_with_a_figure_counts(model_type):
    first = next(name for name in GAINS if model_type in GAINS[name])
    assert auto_bf16(model_type, [*GAINS]) == auto_bf16(model_type, [first])


@pytest.mark.parametrize("name", GAINS)
def test_a_model_type_that_was_not_measured_is_no(name):
    assert auto_bf16("xlnet", [name]) == (False, f"{name}, xlnet not measured")


def test_the_processor_is_asked_for_the_sets_of_the_table():
    assert GAINS.keys() <= {*INSTRUCTION_SETS, "cuda"}
    assert set(device_sets(torch.device("cpu"))) <= {"amx_bf16", "avx512_bf16"}
    assert device_sets(torch.device("meta")) == []


@pytest.mark.parametrize("model", [*MODEL_NAMES, "bert"])
def test_every_model_trains_in_bfloat16(data, tmp_path, model):
    settings = () if model == "bert" else ("embedding_size=8", "hidden_size=8")
    model = save_bert(tmp_path / "bert", data) if model == "bert" else model
    more = ["--bf16", "--max_steps", 4, "--logging_steps", 1, "--learning_rate", "0.01"]
    report = run_flags(data, tmp_path / "run", *more, model=model, settings=settings)
    assert report["mixed_precision"] == "bf16"
    assert report["flags"]["bf16"] is True
    logged = map(json.loads, (tmp_path / "run" / "metrics.jsonl").read_text().splitlines())
    losses = [entry["loss"] for entry in logged if "loss" in entry]
    assert len(losses) == 4
    assert all(map(math.isfinite, [*losses, report["test"]["loss"]]))


def test_a_wrong_value_exits_with_2_in_one_line(data, tmp_path, capsys):
    assert run_command(flags(data, tmp_path / "run", "--bf16", "maybe")) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "error: --bf16: expected yes, no or auto (or true or false, 1 or 0), found 'maybe'"

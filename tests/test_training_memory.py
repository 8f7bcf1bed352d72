"""The memory of training that benchmarks/training_memory.py foresees, and the table of it in the documentation."""

import csv
import functools
import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest
from transformers import AutoConfig

ROOT = Path(__file__).parents[1]
SIZES = {"embedding_size": 64, "hidden_size": 64, "num_heads": 4, "intermediate_size": 128, "num_layers": 4}


@functools.cache
def memory() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(ROOT / "benchmarks" / "training_memory.py"), run_name="memory"))


@functools.cache
def shape():
    return memory().Shape(AutoConfig.for_model("custom-transformer", vocab_size=1000, **SIZES), texts=8, tokens=64)


@functools.cache
def bytes_of_weights() -> int:
    model = memory().new_model(shape(), memory().ONE_GPU[0], None)
    return 4 * sum(weight.numel() for weight in model.parameters())


@functools.cache
def found(*strategy) -> dict[str, int]:
    return memory().foreseen(shape(), memory().Strategy(*strategy))


def test_one_gpu_holds_weights_and_two_numbers_of_adamw_for_each():
    alone = found(1, "none", False, False)
    assert alone["parameter"] == bytes_of_weights()
    # And a count of steps for each tensor.
    assert alone["optstate"] == pytest.approx(2 * bytes_of_weights(), rel=1e-2)
    assert alone["total"] == sum(alone.values()) - alone["total"]


@pytest.mark.slow
def test_activations_are_fewer_with_activation_checkpointing_and_smaller_in_bfloat16():
    whole = found(1, "none", False, False)["activation"]
    assert found(1, "none", False, True)["activation"] < whole / 2
    assert found(1, "none", True, False)["activation"] < 0.75 * whole


@pytest.mark.slow
def test_ddp_keeps_the_gradients_twice():
    assert found(2, "none", False, False)["total"] - found(1, "none", False, False)["total"] == bytes_of_weights()


@pytest.mark.slow
@pytest.mark.parametrize("gpus", [2, 4])
def test_fsdp_shares_out_weights_and_optimizer(gpus):
    shared = found(gpus, "zero3", False, False)
    assert shared["sharded_param"] == pytest.approx(bytes_of_weights() / gpus, rel=2e-2)
    assert shared["optstate"] == pytest.approx(2 * bytes_of_weights() / gpus, rel=5e-2)


def test_the_table_of_the_page_is_what_was_measured():
    names = ("weights", "gradients", "optimizer", "activations", "total")
    with (ROOT / "benchmarks" / "results" / "transformer-800m-memory.csv").open() as file:
        measured = [[line[name] for name in names] for line in csv.DictReader(file)]
    lines = (ROOT / "docs" / "processes.md").read_text().splitlines()
    shown = [line for line in lines if line.startswith(("| one GPU", "| DDP,", "| FSDP as"))]
    assert [line.strip("| ").split(" | ")[3:] for line in shown] == measured

"""Tokens/s of training: each model beside what the machine can multiply, and beside other ways to train the same."""

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bench.bare_loop import bare_loop
from benchmarks.bench.data import data_folder
from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.operations import DTYPES, SHAPES, convolution_rate, operations_per_token, product_rate
from benchmarks.bench.processes import finish, peer
from benchmarks.bench.settings import Settings
from benchmarks.bench.trainers import TimedTrainer
from sentiment_hf.training.trainer import ClassificationTrainer

MODELS = (
    *("custom-fc", "custom-rnn", "custom-gru", "custom-lstm", "custom-attention", "custom-transformer"),
    *("custom-textcnn", "custom-ngram"),
)
TUNINGS = ("full", "lora")
MINILM_LENGTH = "256"

# Backward computes a gradient for the input and one for the weights of each product, each as much work as forward.
# The frozen products of LoRA have none for their weights.
PASSES = {"lora": 2, "other": 3}


def measure(settings: Settings) -> dict[str, Any]:
    """Tables of rates, of all models, of custom-lstm in a bare loop, and of Keras."""
    dataset = str(data_folder(settings, *settings.pick((None, 1000), (3000, 300))))
    rounds = settings.pick(3, 1)
    rates, models = models_and_machine(settings, dataset, rounds)
    return {"tables": [rates, models, bare_loop(settings, dataset, rounds), keras(settings, dataset, rounds)]}


def models_and_machine(settings: Settings, dataset: str, rounds: int) -> tuple[dict, dict]:
    """GFLOP/s of matrix products, and tokens/s of the models with the share of these that they reach."""
    seconds = settings.pick(5.0, 1.5)
    trainers = {name: TimedTrainer(seconds, "--model", name, "--dataset", dataset) for name in MODELS}
    trainers |= minilm_trainers(settings, dataset)
    products = rates_of_products(settings.pick(1.0, 0.3))
    runs = by_turns(products | {name: timed.tokens_per_second for name, timed in trainers.items()}, rounds)
    rates = {name: runs.pop(name) for name in products}
    medians = {name: median(values) for name, values in rates.items() if name.endswith("fp32")}
    best = {
        "torch.mm": max(rate for name, rate in medians.items() if name.startswith("torch.mm")),
        "the fastest": max(medians.values()),
    }
    facts = {name: cost(name, timed.trainer, median(runs[name]), best) for name, timed in trainers.items()}
    return (
        table("The machine: products of matrices", "GFLOP/s", rates, "more"),
        table("The models", "tokens/s", runs, "more", facts=facts),
    )


def rates_of_products(seconds: float) -> dict[str, Callable[[], float]]:
    """{product: function that measures its GFLOP/s for some seconds}."""
    ways = {}
    for shape in SHAPES:
        size = "x".join(map(str, shape))
        for name, dtype in DTYPES.items():
            ways[f"torch.mm, {size} {name}"] = lambda shape=shape, dtype=dtype: product_rate(shape, dtype, seconds)
        ways[f"convolution, {size} fp32"] = lambda shape=shape: convolution_rate(shape, seconds)
    return ways


def minilm_trainers(settings: Settings, dataset: str) -> dict[str, TimedTrainer]:
    """MiniLM with all weights and with LoRA; none without --minilm."""
    if settings.minilm is None:
        return {}
    flags = ("--model", str(settings.minilm), "--dataset", dataset, "--max_seq_length", MINILM_LENGTH)
    seconds = settings.pick(10.0, 2.0)
    return {f"MiniLM, {tuning}": TimedTrainer(seconds, *flags, "--tuning", tuning) for tuning in TUNINGS}


def cost(
    name: str, trainer: ClassificationTrainer, tokens_per_second: float, best: dict[str, float]
) -> dict[str, float]:
    """Operations of training for a token, and the shares of the `best` GFLOP/s in fp32 that they come to, in %."""
    passes = PASSES["lora" if name.endswith("lora") else "other"]
    operations = passes * operations_per_token(trainer, batches=8)
    shares = {f"share of {of} (%)": 100 * operations * tokens_per_second / (rate * 1e9) for of, rate in best.items()}
    return {"operations a token": operations} | shares


def keras(settings: Settings, dataset: str, rounds: int) -> dict[str, Any]:
    """Tokens/s of configs/keras-lstm.yaml, and of the same LSTM in Keras on the same batches and padded to 250."""
    seconds = settings.pick(5.0, 1.5)
    timed = TimedTrainer(seconds, "--config", "configs/keras-lstm.yaml", "--dataset", dataset)
    file = settings.work / "batches.npz"
    save_batches(timed.trainer, settings.pick(10, 5), file)
    ways = {"this program": timed.tokens_per_second}
    for name, way in (("Keras, the same batches", "same"), ("Keras, all padded to 250", "padded")):
        ways[name] = lambda way=way: finish(peer("keras_lstm", file, way)).printed["tokens_per_second"]
    return table("The LSTM of the Keras tutorials", "tokens/s", by_turns(ways, rounds), "more", "this program")


def save_batches(trainer: ClassificationTrainer, count: int, file: Path) -> None:
    """The ids and labels of the first `count` batches of training, as benchmarks/peers/keras_lstm.py reads them."""
    arrays = {}
    for number, batch in zip(range(count), trainer.get_train_dataloader(), strict=False):
        arrays |= {f"ids{number}": batch["input_ids"].numpy(), f"labels{number}": batch["labels"].numpy()}
    np.savez(file, **arrays)

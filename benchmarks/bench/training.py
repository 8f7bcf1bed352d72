"""Tokens/s of training: each model beside what the machine can multiply, and beside other ways to train the same."""

from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.bench.bare_loop import bare_loop
from benchmarks.bench.data import data_folder
from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.operations import DTYPES, SHAPES, matrix_rate, operations_per_token
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
    products = {f"{'x'.join(map(str, shape))} {name}": (shape, name) for shape in SHAPES for name in DTYPES}
    ways = {
        name: lambda shape=shape, dtype=dtype: matrix_rate(shape, DTYPES[dtype], settings.pick(1.0, 0.3))
        for name, (shape, dtype) in products.items()
    }
    runs = by_turns(ways | {name: timed.tokens_per_second for name, timed in trainers.items()}, rounds)
    rates = {name: runs.pop(name) for name in ways}
    best = max(median(values) for name, values in rates.items() if name.endswith("fp32"))
    facts = {name: cost(name, timed.trainer, median(runs[name]), best) for name, timed in trainers.items()}
    return (
        table("The machine: torch.mm", "GFLOP/s", rates, "more"),
        table("Training", "tokens/s", runs, "more", facts=facts),
    )


def minilm_trainers(settings: Settings, dataset: str) -> dict[str, TimedTrainer]:
    """MiniLM with all weights and with LoRA; none without --minilm."""
    if settings.minilm is None:
        return {}
    flags = ("--model", str(settings.minilm), "--dataset", dataset, "--max_seq_length", MINILM_LENGTH)
    seconds = settings.pick(15.0, 4.0)
    return {f"MiniLM, {tuning}": TimedTrainer(seconds, *flags, "--tuning", tuning) for tuning in TUNINGS}


def cost(name: str, trainer: ClassificationTrainer, tokens_per_second: float, best: float) -> dict[str, float]:
    """Operations of training for a token, and the share of `best` GFLOP/s that they come to, in %."""
    passes = PASSES["lora" if name.endswith("lora") else "other"]
    operations = passes * operations_per_token(trainer, batches=8)
    return {
        "operations a token": operations,
        "share of torch.mm in fp32 (%)": 100 * operations * tokens_per_second / (best * 1e9),
    }


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

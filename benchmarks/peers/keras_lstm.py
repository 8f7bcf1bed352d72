"""The LSTM of the Keras tutorials on the torch backend: python -m benchmarks.peers.keras_lstm BATCHES.npz same

BATCHES.npz has the arrays idsN (batch, length), padded with 0, and labelsN (batch,). `same` trains on these batches,
`padded` on all of their texts padded to --max_length, as the tutorials do. The padding is read as text in both, which
is less work than to mask it. Prints tokens/s, padding not counted.
"""

import argparse
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

os.environ["KERAS_BACKEND"] = "torch"

import keras
import numpy as np
import torch

SIZE, DROPOUT, LEARNING_RATE = 100, 0.2, 1e-3

# Steps that are not timed: the first ones build the layers and the optimizer.
WARM_UP = 2


def make_model(vocabulary: int) -> keras.Model:
    """Embedding, LSTM with dropout on input and state, and one output."""
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Embedding(vocabulary, SIZE),
            layers.LSTM(SIZE, dropout=DROPOUT, recurrent_dropout=DROPOUT),
            layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(loss="binary_crossentropy", optimizer=keras.optimizers.Adam(LEARNING_RATE), metrics=["accuracy"])
    return model


def batches(file: Path, way: str, max_length: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield ids (batch, length) and labels (batch,)."""
    with np.load(file) as arrays:
        for number in range(len(arrays.files) // 2):
            ids = arrays[f"ids{number}"]
            padding = max_length - ids.shape[1]
            yield np.pad(ids, ((0, 0), (padding, 0))) if way == "padded" else ids, arrays[f"labels{number}"]


def main() -> None:
    """Train for one pass and print the rate."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("way", choices=("same", "padded"))
    parser.add_argument("--vocabulary", type=int, default=10_000)
    parser.add_argument("--max_length", type=int, default=250)
    flags = parser.parse_args()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    model = make_model(flags.vocabulary)
    timed = list(batches(flags.file, flags.way, flags.max_length))
    for ids, labels in timed[:WARM_UP]:
        model.train_on_batch(ids, labels)
    begin = time.perf_counter()
    for ids, labels in timed:
        model.train_on_batch(ids, labels)
    seconds = time.perf_counter() - begin
    tokens = int(sum((ids != 0).sum() for ids, _ in timed))
    print(json.dumps({"tokens_per_second": tokens / seconds}))


if __name__ == "__main__":
    main()

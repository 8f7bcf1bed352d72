"""What it saves a language model to never have the scores of all words in memory: python -m benchmarks.language_loss

The model of configs/pretrain-custom-lstm.yaml, or with other sizes, reads batches of random ids, the more frequent the
smaller, as words are. Steps by the loss of this program and by that of torch take turns; medians, and their ratio.
Each loss has a process of its own for its memory. Needs Linux, and an idle machine for a minute: beside other work
the ratio means nothing.
"""

import argparse
import multiprocessing
from collections.abc import Callable
from statistics import median
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AutoConfig

from benchmarks.bf16_gains import step_seconds
from benchmarks.training_memory import peak_resident_bytes
from custom_models import language
from sentiment_hf.training.device import device_in_words

LOSSES = ("in pieces", "all at once")
WORDS, BATCH, LENGTH, WARM_UP = 30_000, 64, 250, 1


def all_at_once(states: Tensor, weight: Tensor, bias: Tensor | None, words: Tensor) -> Tensor:
    """What `summed_cross_entropy` computes, by the functions of torch."""
    return functional.cross_entropy(functional.linear(states, weight, bias).float(), words, reduction="sum")


def stepper(sizes: dict[str, int], bf16: bool) -> Callable[[str], float]:
    """A function that makes a step by a loss of `LOSSES` and returns its seconds."""
    config = AutoConfig.for_model("custom-lstm", vocab_size=WORDS, pad_token_id=0, bidirectional=True, **sizes)
    model = language.LSTMForCausalLM(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    ids = (WORDS ** torch.rand(BATCH, LENGTH)).long()
    batch = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": ids}

    def step(loss: str) -> float:
        summed = language.summed_cross_entropy if loss == LOSSES[0] else all_at_once
        with patch.object(language, "summed_cross_entropy", summed):
            return step_seconds(model, optimizer, batch, bf16)

    return step


def peak_memory(sizes: dict[str, int], bf16: bool, loss: str) -> float:
    """MiB of a process that makes two steps."""
    step = stepper(sizes, bf16)
    step(loss), step(loss)
    return peak_resident_bytes() / 2**20


def measure(rounds: int, *args: Any) -> None:
    """Print the medians of so many steps by each loss."""
    step, seconds = stepper(*args), {loss: [] for loss in LOSSES}
    for turn in range(WARM_UP + rounds):
        for loss, found in seconds.items():
            found.append(step(loss))
            if turn < WARM_UP:
                found.clear()
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        memory = [pool.apply(peak_memory, (*args, loss)) for loss in LOSSES]
    for (loss, found), peak in zip(seconds.items(), memory, strict=True):
        print(f"  {loss:12} {median(found):.2f} s, {peak:,.0f} MiB")
    ratios = [whole / pieces for pieces, whole in zip(*seconds.values(), strict=True)]
    print(f"  {median(ratios):.2f} times as fast in pieces")


def main() -> None:
    """Measure the sizes of the recipe and larger ones, in float32 and in bfloat16."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    threads = f"{torch.get_num_threads()} threads"
    print(device_in_words(torch.device("cpu")), threads, f"{BATCH} texts of {LENGTH} words", sep=", ")
    for sizes in ({"embedding_size": 200, "hidden_size": 320}, {"embedding_size": 256, "hidden_size": 512}):
        for bf16 in (False, True):
            print(*sizes.values(), "bf16" if bf16 else "fp32")
            measure(rounds, sizes, bf16)


if __name__ == "__main__":
    main()

"""The cost of the pipeline and of packing: custom-lstm by the trainer, in a bare loop, and with packed sequences."""

import copy
import math
import time
from collections.abc import Callable, Iterable
from itertools import chain, islice, repeat
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.operations import inputs_of
from benchmarks.bench.settings import Settings
from benchmarks.bench.trainers import TimedTrainer
from sentiment_hf.training.trainer import ClassificationTrainer


class PackedLSTM(nn.Module):
    """The usual LSTM: one bidirectional nn.LSTM over packed sequences, with the embedding and head of custom-lstm."""

    def __init__(self, model):
        super().__init__()
        config = model.config
        self.model = model
        self.lstm = nn.LSTM(
            config.embedding_size, config.hidden_size, bidirectional=config.bidirectional, batch_first=True
        )

    def forward(self, input_ids: Tensor, attention_mask: Tensor, labels: Tensor) -> Tensor:
        """(batch, length) ids and mask, (batch,) labels -> loss."""
        mask = attention_mask.bool()
        packed = pack_padded_sequence(
            self.model.embed(input_ids), mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True, total_length=mask.shape[1])
        logits = self.model.classifier(self.model.dropout(self.model.pooling(hidden, mask)))
        return nn.functional.cross_entropy(logits, labels)


def in_bare_loop(trainer: ClassificationTrainer, step: Callable[[dict], Tensor], weights: Iterable[Tensor]) -> float:
    """Tokens/s of forward, backward and AdamW over the batches of the trainer; `step` gives the loss of a batch."""
    args = trainer.args
    optimizer = torch.optim.AdamW(weights, lr=args.learning_rate, fused=True)
    epochs = chain.from_iterable(repeat(trainer.get_train_dataloader()))
    tokens, started = 0, time.perf_counter()
    for batch in islice(epochs, args.max_steps):
        tokens += int(batch["attention_mask"].sum())
        step(inputs_of(batch)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return tokens / (time.perf_counter() - started)


def bare_loop(settings: Settings, dataset: str, rounds: int) -> dict[str, Any]:
    """Tokens/s of the three ways on the same batches."""
    steps = str(settings.pick(15, 5))
    timed = TimedTrainer(math.inf, "--model", "custom-lstm", "--dataset", dataset, "--max_steps", steps)

    def bare() -> float:
        model = copy.deepcopy(timed.trainer.model).train()
        return in_bare_loop(timed.trainer, lambda batch: model(**batch).loss, model.parameters())

    def packed() -> float:
        model = PackedLSTM(copy.deepcopy(timed.trainer.model)).train()
        return in_bare_loop(timed.trainer, lambda batch: model(**batch), model.parameters())

    ways = {"the trainer": timed.tokens_per_second, "a bare loop": bare, "a bare loop, packed nn.LSTM": packed}
    runs = by_turns(ways, rounds)
    return table("The pipeline beside a bare loop", "tokens/s", runs, "more", "the trainer")

"""The cost of the pipeline and of packing: python benchmarks/training_speed.py

Trains the same custom-lstm on the same texts in three ways, by turns in one process: by ClassificationTrainer, in a
bare loop over the same batches, and in a bare loop with `pack_padded_sequence`. Prints tokens/s (padding not counted)
and their ratios. Needs an idle machine.
"""

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import cycle, islice
from statistics import median

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader
from transformers import TrainingArguments

from sentiment_hf.data.splits import Splits, load_splits
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.batches import LengthBucketSampler
from sentiment_hf.training.processes import use_all_cores
from sentiment_hf.training.train import build_trainer
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


def prepare(flags: argparse.Namespace) -> tuple[RunSpec, TrainingArguments, Splits]:
    """The recipe of custom-lstm for --steps steps without evaluation, and the data; torch uses all cores."""
    spec = parse_run(
        [
            *("--model", "custom-lstm", "--dataset", flags.dataset, "--max_steps", str(flags.steps)),
            *("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
            *("--output_dir", tempfile.mkdtemp(), "--disable_tqdm", "true"),
        ]
    )
    args = training_arguments(spec)
    use_all_cores(args, None)
    return spec, args, load_splits(spec.data)


def in_pipeline(trainer: ClassificationTrainer) -> float:
    """Tokens/s of the trainer, measured as in report.json."""
    trainer.train()
    clock = trainer.clock.totals()
    return clock["tokens"] / clock["seconds"]


def in_bare_loop(trainer: ClassificationTrainer, step: Callable[[dict], Tensor], weights: Iterable[Tensor]) -> float:
    """Tokens/s of forward, backward and AdamW over the batches of the trainer; `step` gives the loss of a batch."""
    args, rows = trainer.args, trainer.train_dataset
    sampler = LengthBucketSampler(rows.lengths, args.train_batch_size, args.seed)
    rows = replace(rows, columns={"label": rows.columns["label"]})
    loader = DataLoader(rows, args.train_batch_size, sampler=sampler, collate_fn=trainer.data_collator)
    optimizer = torch.optim.AdamW(weights, lr=args.learning_rate, fused=True)
    tokens, started = 0, time.perf_counter()
    for batch in islice(cycle(loader), args.max_steps):
        tokens += int(batch["attention_mask"].sum())
        step(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return tokens / (time.perf_counter() - started)


def main() -> None:
    """Measure the three ways by turns, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--steps", type=int, default=60, help="training steps of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often the three take turns")
    flags = parser.parse_args()
    prepared = prepare(flags)
    speeds: dict[str, list[float]] = {"pipeline": [], "bare loop": [], "packed": []}
    for _ in range(flags.rounds):
        trainer = build_trainer(*prepared)
        model = copy.deepcopy(trainer.model).train()
        packed = PackedLSTM(copy.deepcopy(trainer.model)).train()
        speeds["pipeline"].append(in_pipeline(trainer))
        speeds["bare loop"].append(
            in_bare_loop(trainer, lambda batch, model=model: model(**batch).loss, model.parameters())
        )
        speeds["packed"].append(in_bare_loop(trainer, lambda batch, model=packed: model(**batch), packed.parameters()))
    for name, measured in speeds.items():
        shown = ", ".join(f"{speed:,.0f}" for speed in measured)
        print(f"{name:<10} {median(measured):>9,.0f} tokens/s   ({shown})")
    print(f"pipeline / bare loop {median(speeds['pipeline']) / median(speeds['bare loop']):.2f}")
    print(f"pipeline / packed    {median(speeds['pipeline']) / median(speeds['packed']):.2f}")


if __name__ == "__main__":
    main()

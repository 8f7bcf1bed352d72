"""What the pipeline costs, and what packing would: python benchmarks/training_speed.py

Trains the same custom-lstm on the same texts three ways in one process, by turns, and prints tokens/s (real tokens,
padding not counted) and their ratios: through ClassificationTrainer, in a bare loop over the same batches, and in a
bare loop with `pack_padded_sequence`. Needs an idle machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from itertools import cycle, islice
from statistics import median

import torch
from datasets import Dataset
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from torch.utils.data import DataLoader
from transformers import PrinterCallback, TrainingArguments

from sentiment_hf.data.splits import load_splits
from sentiment_hf.models.load import load_model, load_tokenizer
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.text.tokenize import tokenize
from sentiment_hf.training.batches import FewLengthsCollator, LengthBucketSampler
from sentiment_hf.training.processes import use_all_cores
from sentiment_hf.training.trainer import ClassificationTrainer


class PackedLSTM(nn.Module):
    """The usual way: one bidirectional nn.LSTM over packed sequences, with the embedding and head of custom-lstm."""

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
        hidden, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        logits = self.model.classifier(self.model.dropout(self.model.pooling(hidden, mask)))
        return nn.functional.cross_entropy(logits, labels)


def prepare(flags: argparse.Namespace):
    """Arguments, tokenized texts, tokenizer and a maker of models, by the recipe of custom-lstm."""
    model_args, data_args, _, args = parse_run(
        [
            *("--model", "custom-lstm", "--dataset", flags.dataset, "--max_steps", str(flags.steps)),
            *("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
            *("--output_dir", tempfile.mkdtemp(), "--disable_tqdm", "true"),
        ]
    )
    splits = load_splits(data_args)
    tokenizer = load_tokenizer(model_args, splits.train["text"], data_args.max_seq_length)
    texts = tokenize(splits.train, tokenizer, data_args.max_seq_length)
    labels = splits.train.features["label"].names
    return args, texts, tokenizer, lambda: load_model(model_args, labels, tokenizer)


def trained(args: TrainingArguments, texts: Dataset, tokenizer, model: nn.Module) -> ClassificationTrainer:
    """After its steps."""
    trainer = ClassificationTrainer(
        model=model,
        args=args,
        train_dataset=texts,
        processing_class=tokenizer,
        data_collator=FewLengthsCollator(tokenizer),
        class_weights=None,
        length_bucketing=True,
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    return trainer


def in_pipeline(args: TrainingArguments, texts: Dataset, tokenizer, model: nn.Module) -> float:
    """Tokens/s as report.json has them."""
    clock = trained(args, texts, tokenizer, model).clock.totals()
    return clock["tokens"] / clock["seconds"]


def in_bare_loop(args: TrainingArguments, texts: Dataset, tokenizer, step: Callable, weights) -> float:
    """Tokens/s of forward, backward and AdamW over the same batches, and nothing else."""
    sampler = LengthBucketSampler(texts["length"][:], args.train_batch_size, args.seed)
    rows = texts.remove_columns(
        [name for name in texts.column_names if name not in (*tokenizer.model_input_names, "label")]
    )
    loader = DataLoader(rows, args.train_batch_size, sampler=sampler, collate_fn=FewLengthsCollator(tokenizer))
    optimizer = torch.optim.AdamW(weights, lr=args.learning_rate, fused=True)
    tokens, started = 0, time.perf_counter()
    for batch in islice(cycle(loader), args.max_steps):
        tokens += int(batch["attention_mask"].sum())
        step(batch).backward()
        optimizer.step()
        optimizer.zero_grad()
    return tokens / (time.perf_counter() - started)


def main() -> None:
    """Prepare once, measure by turns, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--steps", type=int, default=60, help="training steps of each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="how often the three take turns")
    flags = parser.parse_args()
    args, texts, tokenizer, new_model = prepare(flags)
    use_all_cores(args, None)
    speeds: dict[str, list[float]] = {"pipeline": [], "bare loop": [], "packed": []}
    for _ in range(flags.rounds):
        model = new_model().train()
        packed = PackedLSTM(new_model()).train()
        speeds["pipeline"].append(in_pipeline(args, texts, tokenizer, new_model()))
        speeds["bare loop"].append(
            in_bare_loop(args, texts, tokenizer, lambda batch, model=model: model(**batch).loss, model.parameters())
        )
        speeds["packed"].append(
            in_bare_loop(args, texts, tokenizer, lambda batch, model=packed: model(**batch), packed.parameters())
        )
    for name, measured in speeds.items():
        shown = ", ".join(f"{speed:,.0f}" for speed in measured)
        print(f"{name:<10} {median(measured):>9,.0f} tokens/s   ({shown})")
    print(f"pipeline / bare loop {median(speeds['pipeline']) / median(speeds['bare loop']):.2f}")
    print(f"pipeline / packed    {median(speeds['pipeline']) / median(speeds['packed']):.2f}")


if __name__ == "__main__":
    main()

"""What the faults are injected into: this project, and a plain `Trainer` as the examples of transformers use it."""

import argparse
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from datasets import load_dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)
from transformers.trainer_utils import get_last_checkpoint

from sentiment_hf.cli import run_command

SETTINGS = ["embedding_size=8", "hidden_size=8", "dropout=0.3", "embedding_dropout=0.2"]
SCHEDULE = ["--num_train_epochs", "2", "--per_device_train_batch_size", "8", "--learning_rate", "0.01"]
SCHEDULE += ["--eval_strategy", "steps", "--eval_steps", "2", "--save_strategy", "steps", "--save_steps", "2"]
SCHEDULE += ["--save_total_limit", "3", "--load_best_model_at_end", "true", "--use_cpu", "true"]
# The loss falls, so the best checkpoint is an old one.
SCHEDULE += ["--metric_for_best_model", "loss", "--greater_is_better", "true"]
SCHEDULE += ["--logging_steps", "1", "--disable_tqdm", "true"]


@dataclass(frozen=True)
class Program:
    """`main` takes a command line; `argv` makes one from the folder of the data and that of the output."""

    name: str
    main: Callable[[list[str]], int]
    argv: Callable[[Path, Path], list[str]]


def files(data: Path) -> list[str]:
    """The flags that both programs have."""
    return [word for part in ("train", "validation", "test") for word in (f"--{part}_file", str(data / f"{part}.csv"))]


def our_argv(data: Path, output: Path) -> list[str]:
    """A tiny GRU from scratch."""
    own = ["--model", "custom-gru", "--min_frequency", "1", "--num_cpu_threads", "1", "--model_config", *SETTINGS]
    return [*files(data), "--output_dir", str(output), *SCHEDULE, *own]


def plain_argv(data: Path, output: Path) -> list[str]:
    """The same model with a tokenizer that was made before."""
    model = str(data / "model")
    return ["--model_name_or_path", model, *files(data), "--output_dir", str(output), *SCHEDULE]


def plain_main(argv: list[str]) -> int:
    """Train, or go on from what `get_last_checkpoint` finds, save, and score test."""
    early = argparse.ArgumentParser()
    early.add_argument("--model_name_or_path")
    for part in ("train", "validation", "test"):
        early.add_argument(f"--{part}_file")
    given, rest = early.parse_known_args(argv)
    (args,) = HfArgumentParser(TrainingArguments).parse_args_into_dataclasses(rest)
    set_seed(args.seed)
    parts = {part: getattr(given, f"{part}_file") for part in ("train", "validation", "test")}
    rows = load_dataset("csv", data_files=parts, cache_dir=str(Path(args.output_dir).parent / "cache"))
    tokenizer = AutoTokenizer.from_pretrained(given.model_name_or_path)
    rows = rows.class_encode_column("label").map(lambda row: tokenizer(row["text"], truncation=True))
    config = AutoConfig.from_pretrained(
        given.model_name_or_path, num_labels=rows["train"].features["label"].num_classes
    )
    trainer = Trainer(
        model=AutoModelForSequenceClassification.from_config(config),
        args=args,
        train_dataset=rows["train"],
        eval_dataset=rows["validation"],
        processing_class=tokenizer,
        data_collator=DataCollatorWithPadding(tokenizer),
    )
    last = get_last_checkpoint(args.output_dir) if Path(args.output_dir).is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    trainer.save_model()
    metrics = trainer.predict(rows["test"]).metrics
    Path(args.output_dir, "test.json").write_text(json.dumps(metrics))
    return 0


OURS = Program("sentiment_hf", run_command, our_argv)
PLAIN = Program("plain Trainer", plain_main, plain_argv)

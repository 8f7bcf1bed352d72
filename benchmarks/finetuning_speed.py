"""A checkpoint tuned by this pipeline, and by the settings of the transformers example: benchmarks/finetuning_speed.py

    python benchmarks/finetuning_speed.py --model path/to/all-MiniLM-L6-v2 --dataset path/to/imdb --max_seq_length 512

The example, run_classification.py, pads every text to --max_seq_length, takes texts in random order and leaves dropout
in attention as the checkpoint has it. Each way runs in a process of its own, by turns, on the same texts with the same
learning rate; printed are tokens/s (real tokens, padding not counted), the largest resident size, and the mean
training loss in each quarter of the steps. Needs an idle machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from statistics import median

from transformers import DataCollatorWithPadding, PrinterCallback, Trainer, set_seed

from sentiment_hf.data.splits import load_splits
from sentiment_hf.models.load import load_model, load_tokenizer
from sentiment_hf.runs.environment import environment
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.text.tokenize import tokenize
from sentiment_hf.training.batches import FewLengthsCollator
from sentiment_hf.training.processes import use_all_cores
from sentiment_hf.training.trainer import ClassificationTrainer

WAYS = ("pipeline", "example", "example without attention dropout")


class TimedTrainer(ClassificationTrainer):
    """The clock of the pipeline around the loss and the random batches of the library."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, class_weights=None, length_bucketing=False, **kwargs)
        self.compute_loss_func = None


def measure(way: str, flags: argparse.Namespace) -> dict:
    """Tokens/s, bytes and losses of one way."""
    model_args, data_args, _, args = parse_run(
        [
            *("--model", flags.model, "--dataset", flags.dataset, "--max_seq_length", str(flags.max_seq_length)),
            *("--max_train_samples", str(flags.steps * 16), "--num_train_epochs", "1", "--logging_steps", "1"),
            *("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
            *("--learning_rate", str(flags.learning_rate)),
            *("--output_dir", tempfile.mkdtemp(), "--disable_tqdm", "true"),
        ]
    )
    use_all_cores(args, None)
    set_seed(args.seed)
    if way == "example":
        model_args.attention_dropout = None
    train = load_splits(data_args).train
    tokenizer = load_tokenizer(model_args, train["text"], data_args.max_seq_length)
    model = load_model(model_args, train.features["label"].names, tokenizer)
    given = {"model": model, "args": args, "train_dataset": tokenize(train, tokenizer, tokenizer.model_max_length)}
    given |= {"processing_class": tokenizer}
    if way == "pipeline":
        given |= {"class_weights": None, "length_bucketing": True, "data_collator": FewLengthsCollator(tokenizer)}
        trainer: Trainer = ClassificationTrainer(**given)
    else:
        padded = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=tokenizer.model_max_length)
        trainer = TimedTrainer(data_collator=padded, **given)
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    clock = trainer.clock.totals()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    speed = clock["tokens"] / clock["seconds"]
    return {"tokens_per_second": speed, "peak_memory_bytes": environment()["peak_memory_bytes"], "losses": losses}


def measured_apart(way: str, argv: list[str]) -> dict:
    """In a process of its own, since the largest resident size is that of a process."""
    command = [sys.executable, __file__, *argv, "--way", way]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def quarters(losses: list[float]) -> str:
    """Mean loss of each quarter of the steps."""
    size = len(losses) // 4
    return ", ".join(f"{sum(losses[start : start + size]) / size:.3f}" for start in range(0, 4 * size, size))


def main() -> None:
    """Measure by turns, print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a pretrained checkpoint, as in scripts/run.py")
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--max_seq_length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40, help="training steps of each measurement, 16 texts each")
    parser.add_argument("--learning_rate", type=float, default=2e-4, help="high, so that few steps show a loss curve")
    parser.add_argument("--rounds", type=int, default=2, help="how often the ways take turns")
    parser.add_argument("--way", choices=WAYS, help="measure this way only, and print JSON")
    flags = parser.parse_args()
    if flags.way:
        print(json.dumps(measure(flags.way, flags)))
        return
    found: dict[str, list[dict]] = {way: [] for way in WAYS}
    for _ in range(flags.rounds):
        for way in WAYS:
            found[way].append(measured_apart(way, sys.argv[1:]))
    speeds = {way: median(one["tokens_per_second"] for one in measured) for way, measured in found.items()}
    for way, measured in found.items():
        memory = max(one["peak_memory_bytes"] for one in measured) / 2**20
        losses = quarters(measured[0]["losses"])
        print(f"{way:<34} {speeds[way]:>7,.0f} tokens/s {memory:>7,.0f} MiB, loss by quarters {losses}")
    for way in WAYS[1:]:
        print(f"pipeline / {way} {speeds['pipeline'] / speeds[way]:.2f}")


if __name__ == "__main__":
    main()

"""Why fine-tuning by this pipeline is faster than by the transformers example, which `make bench` measures as a whole:

    python -m benchmarks.finetuning_speed --model path/to/all-MiniLM-L6-v2 --dataset path/to/imdb --max_seq_length 512

The example, run_classification.py, pads every text to --max_seq_length, takes texts in random order and keeps the
attention dropout of the checkpoint. Here one `Trainer` trains both ways, on the same texts with the same learning
rate, so that the dropout can be switched off in the example alone, and losses compared. Each way runs in a process of
its own, by turns. Prints tokens/s (padding not counted), the largest resident size, and the mean training loss in each
quarter of the steps. Needs an idle machine.
"""

import argparse
import json
import sys
from statistics import median

from benchmarks.bench.figures import by_turns
from benchmarks.bench.processes import finish
from benchmarks.bench.trainers import prepare
from sentiment_hf.runs.environment import environment
from sentiment_hf.text.encoded import pad
from sentiment_hf.training.batches import tensors
from sentiment_hf.training.train import build_trainer

WAYS = ("pipeline", "example", "example without attention dropout")


def measure(way: str, flags: argparse.Namespace) -> dict:
    """Tokens/s, largest resident size in bytes, and the loss of each step of one way."""
    spec, args, splits = prepare(
        *("--model", flags.model, "--dataset", flags.dataset, "--max_seq_length", str(flags.max_seq_length)),
        *("--max_train_samples", str(flags.steps * 16), "--num_train_epochs", "1", "--logging_steps", "1"),
        *("--learning_rate", str(flags.learning_rate), "--length_bucketing", str(way == "pipeline")),
    )
    if way == "example":
        spec.tuning.attention_dropout = None
    trainer = build_trainer(spec, args, splits)
    if way != "pipeline":
        tokenizer = trainer.processing_class
        trainer.data_collator = lambda batch: tensors(pad(batch[0], tokenizer, tokenizer.model_max_length))
        # Without a function of its own `Trainer` takes the loss of the model, as in the example.
        trainer.compute_loss_func = None
    trainer.train()
    clock = trainer.clock.totals()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    speed = clock["tokens"] / clock["seconds"]
    return {"tokens_per_second": speed, "peak_memory_bytes": environment()["peak_memory_bytes"], "losses": losses}


def measured_apart(way: str) -> dict:
    """The result of `measure` in a new process, since the largest resident size is that of a process."""
    return finish([sys.executable, "-m", "benchmarks.finetuning_speed", *sys.argv[1:], "--way", way]).printed


def quarters(losses: list[float]) -> str:
    """The mean loss of each quarter of the steps, as text."""
    size = len(losses) // 4
    return ", ".join(f"{sum(losses[start : start + size]) / size:.3f}" for start in range(0, 4 * size, size))


def parse() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, help="a pretrained checkpoint, as in scripts/run.py")
    parser.add_argument("--dataset", default="sample", help="as in scripts/run.py")
    parser.add_argument("--max_seq_length", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40, help="training steps of each measurement, 16 texts each")
    parser.add_argument("--learning_rate", type=float, default=2e-4, help="high, so that few steps show a loss curve")
    parser.add_argument("--rounds", type=int, default=2, help="how often the ways take turns")
    parser.add_argument("--way", choices=WAYS, help="measure this way only, and print JSON")
    return parser.parse_args()


def main() -> None:
    """Measure the ways by turns, print medians and ratios."""
    flags = parse()
    if flags.way:
        print(json.dumps(measure(flags.way, flags)))
        return
    found = by_turns({way: lambda way=way: measured_apart(way) for way in WAYS}, flags.rounds)
    speeds = {way: median(one["tokens_per_second"] for one in measured) for way, measured in found.items()}
    for way, measured in found.items():
        memory = max(one["peak_memory_bytes"] for one in measured) / 2**20
        losses = quarters(measured[0]["losses"])
        print(f"{way:<34} {speeds[way]:>7,.0f} tokens/s {memory:>7,.0f} MiB, loss by quarters {losses}")
    for way in WAYS[1:]:
        print(f"pipeline / {way} {speeds['pipeline'] / speeds[way]:.2f}")


if __name__ == "__main__":
    main()

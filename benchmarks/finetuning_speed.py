"""Fine-tuning by this pipeline and with the settings of the transformers example:

    python benchmarks/finetuning_speed.py --model path/to/all-MiniLM-L6-v2 --dataset path/to/imdb --max_seq_length 512

The example, run_classification.py, pads every text to --max_seq_length, takes texts in random order and keeps the
attention dropout of the checkpoint. Each way runs in a process of its own, by turns, on the same texts with the same
learning rate. Prints tokens/s (padding not counted), the largest resident size, and the mean training loss in each
quarter of the steps. Needs an idle machine.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from statistics import median

from sentiment_hf.data.splits import load_splits
from sentiment_hf.runs.environment import environment
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.text.encoded import pad
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.processes import use_all_cores
from sentiment_hf.training.train import build_trainer

WAYS = ("pipeline", "example", "example without attention dropout")


def measure(way: str, flags: argparse.Namespace) -> dict:
    """Tokens/s, largest resident size in bytes, and the loss of each step of one way."""
    spec = parse_run(
        [
            *("--model", flags.model, "--dataset", flags.dataset, "--max_seq_length", str(flags.max_seq_length)),
            *("--max_train_samples", str(flags.steps * 16), "--num_train_epochs", "1", "--logging_steps", "1"),
            *("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
            *("--learning_rate", str(flags.learning_rate), "--length_bucketing", str(way == "pipeline")),
            *("--output_dir", tempfile.mkdtemp(), "--disable_tqdm", "true"),
        ]
    )
    if way == "example":
        spec.tuning.attention_dropout = None
    args = training_arguments(spec)
    use_all_cores(args, None)
    trainer = build_trainer(spec, args, load_splits(spec.data))
    if way != "pipeline":
        tokenizer = trainer.processing_class
        length = tokenizer.model_max_length
        trainer.data_collator = lambda batch: pad(batch[0], tokenizer, length)
        # Without a function of its own `Trainer` takes the loss of the model, as in the example.
        trainer.compute_loss_func = None
    trainer.train()
    clock = trainer.clock.totals()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    speed = clock["tokens"] / clock["seconds"]
    return {"tokens_per_second": speed, "peak_memory_bytes": environment()["peak_memory_bytes"], "losses": losses}


def measured_apart(way: str, argv: list[str]) -> dict:
    """The result of `measure` in a new process, since the largest resident size is that of a process."""
    command = [sys.executable, __file__, *argv, "--way", way]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def quarters(losses: list[float]) -> str:
    """The mean loss of each quarter of the steps, as text."""
    size = len(losses) // 4
    return ", ".join(f"{sum(losses[start : start + size]) / size:.3f}" for start in range(0, 4 * size, size))


def main() -> None:
    """Measure the ways by turns, print medians and ratios."""
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

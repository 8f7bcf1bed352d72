"""Which validation tells the truth: python benchmarks/validation_splits.py --dataset FOLDER [--models ...]

For each split seed and kind of split (random, group), a tenth of train becomes validation. Each model is trained by
its recipe on the rest, chooses its checkpoint on this validation, and is scored once on test. A line per run goes to
benchmarks/results/validation_splits.csv; a run that is there is not made again. Prints, per model and kind, validation
minus test, and how often validation ranks two models as test does.
"""

import argparse
import csv
import itertools
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results/validation_splits.csv"
SIZE = 0.1
SEEDS = range(5)
KINDS = ("random", "group")
# The recipes of the last two take 10 and 30 minutes a run. Both kinds of split get the same shorter training.
FLAGS = {
    "custom-ngram": [],
    "custom-fc": [],
    "custom-textcnn": ["--max_steps", "1400", "--max_seq_length", "400"],
    "custom-gru": ["--max_steps", "1000", "--max_seq_length", "256"],
}
COLUMNS = ("model", "kind", "split_seed", "validation", "test", "rows", "steps", "seconds", "processor")


def processor() -> str:
    """The model name of the processor."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def train_and_score(model: str, dataset: str, kind: str, seed: int, folder: Path, threads: int) -> dict:
    """The report of a run on one split."""
    split = ["--dataset", dataset, "--validation_split", kind, "--split_seed", str(seed)]
    command = [sys.executable, "scripts/run.py", "--model", model, *split, *FLAGS[model], "--seed", "0"]
    command += ["--output_dir", str(folder), "--num_cpu_threads", str(threads), "--disable_tqdm", "true"]
    subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "report.json").read_text())


def done() -> set[tuple[str, str, int]]:
    """(model, kind, split seed) of the runs in the results."""
    if not RESULTS.is_file():
        return set()
    return {(row.model, row.kind, row.split_seed) for row in pd.read_csv(RESULTS).itertuples()}


def add(row: dict) -> None:
    """One more line in the results."""
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    new = not RESULTS.is_file()
    with RESULTS.open("a", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(row)


def run_all(dataset: str, models: list[str], threads: int) -> None:
    """Make the runs that are missing, cheap models first."""
    for model, seed, kind in itertools.product(models, SEEDS, KINDS):
        if (model, kind, seed) in done():
            continue
        with tempfile.TemporaryDirectory() as home:
            begin = time.monotonic()
            report = train_and_score(model, dataset, kind, seed, Path(home, "run"), threads)
        scores = {part: report[part]["accuracy"] for part in ("validation", "test")}
        rows, seconds = report["validation"]["rows"], round(time.monotonic() - begin)
        run = {"model": model, "kind": kind, "split_seed": seed, **scores, "rows": rows, "steps": report["steps"]}
        add(run | {"seconds": seconds, "processor": processor()})
        print(f"{model} {kind} {seed}: validation {scores['validation']:.4f}, test {scores['test']:.4f}", flush=True)


def table() -> str:
    """Per model and kind the mean of validation minus test in points, with the standard deviation over the splits."""
    runs = pd.read_csv(RESULTS)
    runs["gap"] = 100 * (runs["validation"] - runs["test"])
    lines = ["| model | kind | splits | validation - test | sd |", "|---|---|---:|---:|---:|"]
    for (model, kind), some in runs.groupby(["model", "kind"], sort=False):
        lines.append(f"| {model} | {kind} | {len(some)} | {some['gap'].mean():+.2f} | {some['gap'].std():.2f} |")
    for kind in KINDS:
        lines.append(f"\n{kind}: {agreement(runs[runs['kind'] == kind])}")
    return "\n".join(lines)


def agreement(runs: pd.DataFrame) -> str:
    """How many pairs of models validation ranks as test does, on the same split."""
    same = [
        (a.validation - b.validation) * (a.test - b.test) > 0
        for _, split in runs.groupby("split_seed")
        for a, b in itertools.combinations(split.itertuples(), 2)
    ]
    gap = 100 * (runs["validation"] - runs["test"])
    pairs = f"{sum(same)} of {len(same)} pairs of models ranked as test ranks them"
    return f"{pairs}; mean absolute gap {gap.abs().mean():.2f}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--models", nargs="*", default=list(FLAGS), choices=list(FLAGS))
    parser.add_argument("--num_cpu_threads", type=int, default=2)
    parser.add_argument("--table", action="store_true", help="only print the table of the runs that are there")
    args = parser.parse_args()
    if not args.table:
        run_all(args.dataset, args.models, args.num_cpu_threads)
    print(table())

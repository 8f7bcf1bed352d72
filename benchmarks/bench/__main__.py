"""Measures this program beside others and writes docs/performance.md and docs/performance.json:

    python -m benchmarks.bench --dataset path/to/imdb --minilm path/to/all-MiniLM-L6-v2

Needs an idle machine with Linux, and the packages of the extra `bench`. Each measurement is made in a process of its
own and written at once; `--only inference` replaces the figures of one and keeps the others.
"""

import argparse
import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bench.machine import machine
from benchmarks.bench.page import write_page
from benchmarks.bench.settings import Settings

MEASUREMENTS = ("training", "time_to_accuracy", "inference", "finetuning", "start", "stations", "growth")

# Takes an hour or more with the rows that it is meant for, so it is made on its own.
ALONE = "rows"
DOCS = Path(__file__).parents[2] / "docs"


def parse() -> argparse.Namespace:
    """The flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="imdb", help="as in scripts/run.py")
    parser.add_argument("--minilm", type=Path, help="folder of a pretrained encoder; without it none is measured")
    parser.add_argument("--quick", action="store_true", help="fewer rows and rounds")
    parser.add_argument("--only", nargs="+", choices=(*MEASUREMENTS, ALONE), default=MEASUREMENTS)
    parser.add_argument("--rows", type=int, default=5_000_000, help="how many rows the measurement `rows` makes")
    parser.add_argument("--output", type=Path, default=DOCS, help="folder for performance.md and performance.json")
    return parser.parse_args()


def main() -> None:
    """Make one measurement here, or several in processes of their own."""
    flags = parse()
    if len(flags.only) == 1:
        measure(flags.only[0], flags)
        return
    for name in flags.only:
        if name in ("finetuning", "start") and flags.minilm is None:
            print(f"{name} is left out: it needs --minilm")
            continue
        # The last of two --only counts.
        subprocess.run([sys.executable, "-m", "benchmarks.bench", *sys.argv[1:], "--only", name], check=True)


def measure(name: str, flags: argparse.Namespace) -> None:
    """Make a measurement and put it into the record and onto the page."""
    print(name, flush=True)
    about, begin = machine(), time.perf_counter()
    with tempfile.TemporaryDirectory() as work:
        minilm = flags.minilm.resolve() if flags.minilm else None
        settings = Settings(flags.dataset, minilm, flags.quick, flags.rows, Path(work))
        found = importlib.import_module(f"benchmarks.bench.{name}").measure(settings)
    found |= {"machine": about, "quick": flags.quick, "minutes": (time.perf_counter() - begin) / 60}
    file = flags.output / "performance.json"
    record = (json.loads(file.read_text()) if file.is_file() else {}) | {name: found}
    file.write_text(json.dumps(record, indent=1) + "\n")
    write_page(record, flags.output)


if __name__ == "__main__":
    main()

"""Seconds and memory of a run as rows become more and texts longer, and of two processes beside one."""

import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.made_up import write_parts
from benchmarks.bench.processes import RUN, Finished, finish
from benchmarks.bench.settings import Settings

FACTORS, LENGTHS = (1, 4, 16, 64), (100, 400, 1600)
SHORT = 35

# --least_steps, by which the recipe makes more epochs of few rows, would hide how seconds grow.
EPOCHS = ("--num_train_epochs", "2", "--least_steps", "1", "--eval_strategy", "epoch", "--save_strategy", "epoch")
FLAGS = ("--model", "custom-fc", *EPOCHS)
BATCH = 128

# `accelerate launch --cpu --num_processes 2` starts one process only; this file starts two.
TWO = (
    *(sys.executable, "-m", "accelerate.commands.launch", "--config_file", "configs/accelerate/cpu-2.yaml"),
    *("scripts/run.py", "--use_cpu", "--disable_tqdm", "true"),
)


def measure(settings: Settings) -> dict[str, Any]:
    """Tables and curves by rows and by length, and a table of processes."""
    rounds = settings.pick(2, 1)
    base = settings.pick(1000, 250)
    by_rows = grown(settings, [(base * factor, SHORT) for factor in FACTORS], rounds)
    by_length = grown(settings, [(settings.pick(2000, 500), length) for length in LENGTHS], rounds)
    tables = [
        table_of("Rows", {f"{rows:,} rows": runs for (rows, _), runs in by_rows.items()}),
        table_of("Length", {f"{length:,} words a text": runs for (_, length), runs in by_length.items()}),
        processes(settings, rounds),
    ]
    curves = [
        *curves_of("rows of train", {rows: runs for (rows, _), runs in by_rows.items()}),
        *curves_of("words a text", {length: runs for (_, length), runs in by_length.items()}),
    ]
    return {"tables": tables, "curves": curves}


def grown(settings: Settings, sizes: list[tuple[int, int]], rounds: int) -> dict[tuple[int, int], list[Finished]]:
    """The runs for each (rows, words a text)."""
    ways = {}
    for rows, length in sizes:
        folder = settings.work / f"{rows}-{length}"
        write_parts(folder, rows, length, small=200)
        # Each word is at least one token.
        words = ("--dataset", str(folder), "--max_seq_length", str(2 * length))
        ways[rows, length] = lambda words=words: trained(RUN, *words)
    return by_turns(ways, rounds)


def trained(program: tuple[str, ...], *words: str) -> Finished:
    """A run that was watched."""
    with tempfile.TemporaryDirectory() as home:
        return finish([*program, *FLAGS, *words, "--output_dir", str(Path(home, "run"))], watch=True)


def table_of(title: str, found: dict[str, list[Finished]], ours: str | None = None) -> dict[str, Any]:
    """A table of seconds with the peak of the memory."""
    runs = {name: [one.seconds for one in of_way] for name, of_way in found.items()}
    facts = {
        name: {"peak anonymous memory (MiB)": median(one.anonymous for one in of_way) / 2**20}
        for name, of_way in found.items()
    }
    return table(title, "s", runs, "less", ours, facts)


def curves_of(label: str, found: dict[int, list[Finished]]) -> list[dict[str, Any]]:
    """Curves of seconds and of memory."""
    seconds = [[one.seconds for one in of_way] for of_way in found.values()]
    memory = [[one.anonymous / 2**20 for one in of_way] for of_way in found.values()]
    shared = {"x": list(found), "x_label": label}
    return [
        shared | {"title": "Seconds", "y": seconds, "y_label": "s"},
        shared | {"title": "Peak memory", "y": memory, "y_label": "MiB, anonymous"},
    ]


def processes(settings: Settings, rounds: int) -> dict[str, Any]:
    """One process with all cores beside two with half of them and half of the batch each."""
    folder = settings.work / "processes"
    write_parts(folder, settings.pick(64_000, 8000), SHORT, small=200)
    batch = "--per_device_train_batch_size"
    ways = {
        "one process": lambda: trained(RUN, "--dataset", str(folder), batch, str(BATCH)),
        "two processes": lambda: trained(TWO, "--dataset", str(folder), batch, str(BATCH // 2)),
    }
    return table_of("Processes", by_turns(ways, rounds), "one process")

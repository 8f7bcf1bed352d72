"""Training on millions of made-up rows, and `predict` over them: seconds, memory, and how it grows."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks.bench.figures import table
from benchmarks.bench.made_up import write_rows
from benchmarks.bench.processes import PROGRAM, RUN, Finished, finish
from benchmarks.bench.settings import Settings

# Words, which are about 200 characters.
LENGTH = 55
FILES = 10

# Memory is measured on a tenth of the rows, too.
SMALLER = 10
MODELS = ("custom-fc", "custom-ngram")
FLAGS = (
    *("--num_train_epochs", "1", "--per_device_train_batch_size", "1024", "--max_data_bytes", str(10**12)),
    *("--eval_strategy", "epoch", "--save_strategy", "epoch"),
)

# What a run and a prediction import.
IMPORTS = {
    "run": "sentiment_hf.runs.run",
    "predict": "sentiment_hf.inference.predict_file, sentiment_hf.inference.classifier",
}


def measure(settings: Settings) -> dict[str, Any]:
    """A table of seconds with memory above the imports, and how it grows from a tenth of the rows to all."""
    sizes = (settings.rows // SMALLER, settings.rows)
    imports = {name: of_imports(modules).memory for name, modules in IMPORTS.items()}
    few, all_rows = (finished(settings, rows) for rows in sizes)
    facts = {}
    for name, done in all_rows.items():
        growth = (done.memory - few[name].memory) / (sizes[1] - sizes[0])
        above = done.memory - imports[name.split(", ")[1]]
        facts[name] = {"above the imports (MiB)": above / 2**20, "bytes for a further row": growth}
        facts[name] |= {"rows/s": settings.rows / done.seconds}
    runs = {name: [done.seconds] for name, done in all_rows.items()}
    return {"tables": [table(f"{settings.rows:,} rows", "s", runs, "less", facts=facts)]}


def finished(settings: Settings, rows: int) -> dict[str, Finished]:
    """Runs and predictions with each model on so many rows."""
    folder, file = settings.work / f"{rows}", settings.work / f"{rows}.parquet"
    write_rows(file, rows, LENGTH, seed=0)
    write_parts(folder, LENGTH, file)
    found = {}
    for model in MODELS:
        run, output = settings.work / f"{model}-{rows}", settings.work / f"{model}-{rows}.csv"
        data = ("--dataset", str(folder), "--output_dir", str(run))
        words = ("--file", str(file), "--output", str(output), "--max_data_bytes", str(10**12))
        for name, command in (
            ("run", [*RUN, "--model", model, *data, *FLAGS]),
            ("predict", [*PROGRAM, "predict", str(run), *words]),
        ):
            found[f"{model}, {name}"] = finish(command, watch=True)
            print(f"  {rows:,} rows, {model}, {name}", flush=True)
    return found


def write_parts(folder: Path, length: int, file: Path) -> None:
    """Train, the rows of `file` in several files; validation and test with 1000 rows each."""
    folder.mkdir()
    source = pq.ParquetFile(file)
    groups = np.array_split(range(source.num_row_groups), FILES)
    for number, of_file in enumerate(groups):
        part = folder / f"train-{number:05d}-of-{FILES:05d}.parquet"
        with pq.ParquetWriter(part, source.schema_arrow) as writer:
            for group in of_file.tolist():
                writer.write_table(source.read_row_group(group))
    for number, name in enumerate(("validation", "test"), 1):
        write_rows(folder / f"{name}.parquet", 1000, length, seed=number)


def of_imports(modules: str) -> Finished:
    """A process that imports modules and waits for a second, so that its memory is seen."""
    return finish([sys.executable, "-c", f"import time, {modules}; time.sleep(1)"], watch=True)

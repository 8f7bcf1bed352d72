"""Training on millions of made-up rows, and `predict` over them: seconds, memory, and how it grows."""

import sys
from typing import Any

from benchmarks.bench.figures import table
from benchmarks.bench.made_up import write_parts, write_rows
from benchmarks.bench.processes import PROGRAM, RUN, Finished, finish
from benchmarks.bench.settings import Settings

# Words, which are about 200 characters.
LENGTH = 55
FILES = 10

# Memory is measured on a tenth of the rows, too.
SMALLER = 10
MODELS = ("custom-fc", "custom-ngram")
FLAGS = (
    *("--num_train_epochs", "1", "--max_data_bytes", str(10**12)),
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
    write_parts(folder, rows, LENGTH, files=FILES)
    write_rows(file, rows, LENGTH, seed=0)
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


def of_imports(modules: str) -> Finished:
    """A process that imports modules and waits for a second, so that its memory is seen."""
    return finish([sys.executable, "-c", f"import time, {modules}; time.sleep(1)"], watch=True)

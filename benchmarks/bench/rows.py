"""Training on millions of made-up rows, and `predict` over them: seconds, memory, and how it grows."""

import sys
from pathlib import Path
from typing import Any

from benchmarks.bench.figures import table
from benchmarks.bench.made_up import write_parts, write_rows
from benchmarks.bench.processes import PROGRAM, RUN, Finished, finish
from benchmarks.bench.settings import Settings

# Words, which are about 200 characters.
LENGTH = 55

# Memory is measured on a tenth of the rows, too.
SMALLER = 10
FLAGS = (
    *("--num_train_epochs", "1", "--per_device_train_batch_size", "1024", "--max_data_bytes", str(10**12)),
    *("--eval_strategy", "epoch", "--save_strategy", "epoch"),
)

# By format: the files of train, and the models with the names of their lines. Csv is one file, so that a tenth of the
# rows is read in pieces, too, as a csv file is from 32 MB on.
FORMATS = {
    ".parquet": (10, {"custom-fc": "custom-fc", "custom-ngram": "custom-ngram"}),
    ".csv": (1, {"custom-fc": "custom-fc on csv"}),
}

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
    """Runs and predictions on so many rows, in all formats."""
    return {line: done for suffix in FORMATS for line, done in finished_on(suffix, settings.work, rows).items()}


def finished_on(suffix: str, work: Path, rows: int) -> dict[str, Finished]:
    """Runs and predictions with each model on so many rows, in files of one format."""
    files, models = FORMATS[suffix]
    folder, file = work / f"{rows}-{suffix[1:]}", work / f"{rows}{suffix}"
    write_parts(folder, rows, LENGTH, files, suffix=suffix)
    write_rows(file, rows, LENGTH, seed=0)
    found = {}
    for model, line in models.items():
        for step, command in commands(model, folder, file).items():
            found[f"{line}, {step}"] = finish(command, watch=True)
            print(f"  {rows:,} rows, {line}, {step}", flush=True)
    return found


def commands(model: str, folder: Path, file: Path) -> dict[str, list[str]]:
    """The command lines that train on the data in `folder` and predict the rows of `file`."""
    run, output = (str(file.with_name(f"{model}-{file.name}{end}")) for end in ("-run", "-predicted.csv"))
    words = ("--file", str(file), "--output", output, "--max_data_bytes", str(10**12))
    return {
        "run": [*RUN, "--model", model, "--dataset", str(folder), "--output_dir", run, *FLAGS],
        "predict": [*PROGRAM, "predict", run, *words],
    }


def of_imports(modules: str) -> Finished:
    """A process that imports modules and waits for a second, so that its memory is seen."""
    return finish([sys.executable, "-c", f"import time, {modules}; time.sleep(1)"], watch=True)

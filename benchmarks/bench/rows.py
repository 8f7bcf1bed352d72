"""Training on millions of made-up rows, and `predict` over them: seconds, memory, bytes a row."""

import sys
from typing import Any

from benchmarks.bench.figures import table
from benchmarks.bench.made_up import write_parts, write_rows
from benchmarks.bench.processes import PROGRAM, RUN, Finished, finish
from benchmarks.bench.settings import Settings

# Words, which are about 200 characters.
LENGTH = 55
FILES = 10
MODELS = ("custom-fc", "custom-ngram")
FLAGS = (
    *("--num_train_epochs", "1", "--max_data_bytes", str(10**12)),
    *("--eval_strategy", "epoch", "--save_strategy", "epoch"),
)

# What a run and a prediction import, kept for a second so that its memory is seen.
IMPORTS = "import time, sentiment_hf.runs.run, sentiment_hf.inference.predict_file as _; time.sleep(1)"


def measure(settings: Settings) -> dict[str, Any]:
    """A table of seconds with memory above the imports, in all and for each row."""
    folder, file = settings.work / "data", settings.work / "all.parquet"
    write_parts(folder, settings.rows, LENGTH, files=FILES)
    write_rows(file, settings.rows, LENGTH, seed=0)
    imports = finish([sys.executable, "-c", IMPORTS], watch=True)
    found = {}
    for model in MODELS:
        run, output = settings.work / model, settings.work / f"{model}.csv"
        data = ("--dataset", str(folder), "--output_dir", str(run))
        found[f"{model}, run"] = finish([*RUN, "--model", model, *data, *FLAGS], watch=True)
        words = ("--file", str(file), "--output", str(output), "--max_data_bytes", str(10**12))
        found[f"{model}, predict"] = finish([*PROGRAM, "predict", str(run), *words], watch=True)
        print(f"  {model}", flush=True)
    runs = {name: [one.seconds] for name, one in found.items()}
    facts = {name: memory(one, imports, settings.rows) for name, one in found.items()}
    return {"tables": [table(f"{settings.rows:,} rows", "s", runs, "less", facts=facts)]}


def memory(of: Finished, imports: Finished, rows: int) -> dict[str, float]:
    """Peak memory above the imports in MiB, and in bytes for each row; rows a second."""
    above = of.memory - imports.memory
    return {"above the imports (MiB)": above / 2**20, "bytes a row": above / rows, "rows/s": rows / of.seconds}

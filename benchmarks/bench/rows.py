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

# What a run and a prediction import.
IMPORTS = {
    "run": "sentiment_hf.runs.run",
    "predict": "sentiment_hf.inference.predict_file, sentiment_hf.inference.classifier",
}


def measure(settings: Settings) -> dict[str, Any]:
    """A table of seconds with memory above the imports, in all and for each row."""
    folder, file = settings.work / "data", settings.work / "all.parquet"
    write_parts(folder, settings.rows, LENGTH, files=FILES)
    write_rows(file, settings.rows, LENGTH, seed=0)
    imports = {name: of_imports(modules) for name, modules in IMPORTS.items()}
    runs, facts = {}, {}
    for model in MODELS:
        run, output = settings.work / model, settings.work / f"{model}.csv"
        data = ("--dataset", str(folder), "--output_dir", str(run))
        words = ("--file", str(file), "--output", str(output), "--max_data_bytes", str(10**12))
        for name, command in (
            ("run", [*RUN, "--model", model, *data, *FLAGS]),
            ("predict", [*PROGRAM, "predict", str(run), *words]),
        ):
            done = finish(command, watch=True)
            runs[f"{model}, {name}"] = [done.seconds]
            facts[f"{model}, {name}"] = memory(done, imports[name], settings.rows)
            print(f"  {model}, {name}", flush=True)
    return {"tables": [table(f"{settings.rows:,} rows", "s", runs, "less", facts=facts)]}


def of_imports(modules: str) -> Finished:
    """A process that imports modules and waits for a second, so that its memory is seen."""
    return finish([sys.executable, "-c", f"import time, {modules}; time.sleep(1)"], watch=True)


def memory(of: Finished, imports: Finished, rows: int) -> dict[str, float]:
    """Peak memory above the imports in MiB, and in bytes for each row; rows a second."""
    above = of.memory - imports.memory
    return {"above the imports (MiB)": above / 2**20, "bytes a row": above / rows, "rows/s": rows / of.seconds}

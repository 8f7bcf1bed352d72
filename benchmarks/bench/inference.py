"""Classes of a file of texts: `predict` beside `transformers.pipeline`, fastText and scikit-learn."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.bench.data import data_folder, text_file
from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.processes import PROGRAM, RUN, finish, peer
from benchmarks.bench.settings import Settings
from benchmarks.bench.time_to_accuracy import PEERS, durations

OURS = "predict"
LONGEST_DIFFERENCE = 1e-4

# Speed does not ask how good a model is, so it is trained for a few steps.
FEW_STEPS = (
    *("--max_steps", "20", "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
    *("--do_eval", "false", "--do_predict", "false"),
)
CORES = {"all cores": False, "one core": True}


def measure(settings: Settings) -> dict[str, Any]:
    """Tables of whole processes, rates and latencies, by model and number of cores."""
    folder = data_folder(settings, *settings.pick((None, None), (2000, 2000)))
    models = trained_models(settings, folder)
    peers = trained_peers(settings, folder)
    tables = []
    for cores, one_core in CORES.items():
        for name, (model, rows) in models.items():
            file = text_file(folder, rows)
            tables += beside_pipeline(settings, f"{name}, {cores}", model, file, one_core)
        file = text_file(folder, settings.pick(25_000, 2000))
        tables += beside_peers(settings, f"custom-ngram, {cores}", models["custom-ngram"][0], peers, file, one_core)
    return {"tables": tables}


def trained_models(settings: Settings, folder: Path) -> dict[str, tuple[Path, int]]:
    """{model: (folder of a run, rows to classify)}; MiniLM if there is one."""
    rows = {"custom-ngram": settings.pick(5000, 500), "custom-lstm": settings.pick(5000, 500)}
    flags = {name: ("--model", name) for name in rows}
    if settings.minilm:
        rows["MiniLM"] = settings.pick(1000, 100)
        small = ("--max_train_samples", "100", "--max_steps", "2", "--max_seq_length", "256")
        flags["MiniLM"] = ("--model", str(settings.minilm), *small)
    for name, given in flags.items():
        data = ("--dataset", str(folder), "--output_dir", str(settings.work / name))
        finish([*RUN, *data, *FEW_STEPS, *given])
    return {name: (settings.work / name, rows[name]) for name in flags}


def trained_peers(settings: Settings, folder: Path) -> dict[str, tuple[str, Path]]:
    """{peer: (its program, the file of its trained model)}."""
    files = {name: (program, settings.work / f"{program}.model") for name, program in PEERS.items()}
    for program, file in files.values():
        finish(peer(program, "train", folder, "--save", file))
    return files


def beside_pipeline(settings: Settings, title: str, model: Path, file: Path, one_core: bool) -> list[dict[str, Any]]:
    """Tables of whole processes, rates and latencies of `predict` and of `pipeline`, whose answers must agree."""
    rows, rounds = len(pd.read_csv(file)), settings.pick(1 if one_core else 2, 1)
    outputs = {name: settings.work / f"{name}.csv" for name in (OURS, "pipeline", "pipeline, 32 at a time")}

    def pipeline(name: str, size: int) -> tuple[float, float]:
        words = (model, file, "--output", outputs[name], "--batch_size", size)
        done = finish(peer("pipeline", *words), one_core)
        return done.seconds, rows / durations(done.printed["stations"])["classifying"]

    ways = {OURS: lambda: ours(model, file, outputs[OURS], one_core)} | {
        name: lambda name=name, size=size: pipeline(name, size)
        for name, size in (("pipeline", 1), ("pipeline, 32 at a time", 32))
    }
    found = by_turns(ways, rounds)
    differences = {name: difference(outputs[OURS], outputs[name]) for name in list(outputs)[1:]}
    facts = {name: {"largest difference of a probability": f"{value:.1e}"} for name, value in differences.items()}
    return [*two_tables(f"{title}, {rows:,} texts", found, facts), latency(settings, title, model, file, one_core)]


def ours(model: Path, file: Path, output: Path, one_core: bool) -> tuple[float, float]:
    """Seconds of the command, and texts/s without its start."""
    whole = finish([*PROGRAM, "predict", str(model), "--file", str(file), "--output", str(output)], one_core)
    return whole.seconds, len(pd.read_csv(file)) / in_python(model, file, one_core)["classifying"]


def in_python(model: Path, file: Path, one_core: bool, *words: str) -> dict[str, Any]:
    """What benchmarks/bench/classify.py prints."""
    command = [PROGRAM[0], "-m", "benchmarks.bench.classify", str(model), str(file), *words]
    return finish(command, one_core).printed


def two_tables(title: str, found: dict[str, list], facts: dict | None = None) -> list[dict[str, Any]]:
    """Tables of whole processes and of rates; `found` has (seconds, texts/s) for each way and round."""
    seconds, rates = ({name: [one[part] for one in of] for name, of in found.items()} for part in (0, 1))
    return [
        table(f"{title}: whole processes", "s", seconds, "less", OURS, facts),
        table(f"{title}: without their start", "texts/s", rates, "more", OURS),
    ]


def difference(ours: Path, other: Path) -> float:
    """The largest difference of two probabilities.

    Raises:
        RuntimeError: it is above `LONGEST_DIFFERENCE`, or a class differs although its probabilities do.
    """
    left, right = pd.read_csv(ours, dtype={"prediction": str}), pd.read_csv(other, dtype={"prediction": str})
    columns = [name for name in right.columns if name.startswith("probability_")]
    values = left[columns].to_numpy(), right[columns].to_numpy()
    largest = float(np.abs(values[0] - values[1]).max())
    # Where two classes are as likely as each other, the last digit decides.
    top = np.sort(values[0], axis=1)
    decided = top[:, -1] - top[:, -2] > LONGEST_DIFFERENCE
    same = (left["prediction"] == right["prediction"]).to_numpy()
    if largest > LONGEST_DIFFERENCE or not same[decided].all():
        raise RuntimeError(f"{other}: probabilities differ by {largest}, classes in {(~same).sum()} rows")
    return largest


def latency(settings: Settings, title: str, model: Path, file: Path, one_core: bool) -> dict[str, Any]:
    """A table of the median and the 95th percentile of the milliseconds for one text, in a process that is there."""
    count = str(settings.pick(200, 50))
    ways = {
        OURS: lambda: in_python(model, file, one_core, "--latency", count),
        "pipeline": lambda: finish(peer("pipeline", model, file, "--latency", count), one_core).printed,
    }
    found = by_turns(ways, settings.pick(1 if one_core else 2, 1))
    # The first ones warm up.
    taken = {name: [1000 * np.asarray(one["latencies"])[5:] for one in of_way] for name, of_way in found.items()}
    middle = {name: [float(np.median(one)) for one in of_way] for name, of_way in taken.items()}
    facts = {
        name: {"95th percentile (ms)": float(np.median([np.percentile(one, 95) for one in of_way]))}
        for name, of_way in taken.items()
    }
    return table(f"{title}: one text, median", "ms", middle, "less", OURS, facts)


def beside_peers(
    settings: Settings, title: str, model: Path, peers: dict[str, tuple[str, Path]], file: Path, one_core: bool
) -> list[dict[str, Any]]:
    """Tables of whole processes and rates of `predict` and of the models of other libraries."""
    output, rows = settings.work / "peers.csv", len(pd.read_csv(file))

    def of_peer(program: str, trained: Path) -> tuple[float, float]:
        done = finish(peer(program, "predict", trained, file, output), one_core)
        return done.seconds, rows / durations(done.printed["stations"])["classifying"]

    ways = {OURS: lambda: ours(model, file, output, one_core)}
    ways |= {name: lambda trained=trained: of_peer(*trained) for name, trained in peers.items()}
    found = by_turns(ways, settings.pick(1 if one_core else 3, 1))
    return two_tables(f"{title}, beside other libraries, {rows:,} texts", found)

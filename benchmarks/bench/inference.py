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
LARGEST_DIFFERENCE = 1e-4

# Speed does not ask how good a model is, so it is trained for a few steps.
FEW_STEPS = (
    *("--max_steps", "20", "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
    *("--do_train", "true"),
)
CORES = {"all cores": False, "one core": True}

# By what the slowest way takes: `pipeline` with one text at a time on one core.
TEXTS = {"custom-ngram": 5000, "MiniLM": 150}
QUICK_TEXTS = {"custom-ngram": 2000, "MiniLM": 100}


def measure(settings: Settings) -> dict[str, Any]:
    """Tables of whole processes, of classifying alone and of single texts, by model and number of cores."""
    folder = data_folder(settings, *settings.pick((None, None), (2000, 2000)))
    models = trained_models(settings, folder)
    peers = trained_peers(settings, folder)
    tables = []
    for cores, one_core in CORES.items():
        for name, (model, rows) in models.items():
            if settings.quick and one_core and name == "MiniLM":
                continue
            tables += beside_pipeline(settings, f"{name}, {cores}", model, text_file(folder, rows), one_core)
        file = text_file(folder, settings.pick(25_000, 2000))
        tables += beside_peers(settings, f"custom-ngram, {cores}", models["custom-ngram"][0], peers, file, one_core)
    return {"tables": tables}


def trained_models(settings: Settings, folder: Path) -> dict[str, tuple[Path, int]]:
    """{model: (folder of a run, texts to classify)}; MiniLM if there is one."""
    texts = settings.pick(TEXTS, QUICK_TEXTS)
    flags = {name: ("--model", name) for name in texts if name != "MiniLM"}
    if settings.minilm:
        small = ("--max_train_samples", "100", "--max_steps", "2", "--max_seq_length", "256")
        flags["MiniLM"] = ("--model", str(settings.minilm), *small)
    for name, given in flags.items():
        data = ("--dataset", str(folder), "--output_dir", str(settings.work / name))
        finish([*RUN, *data, *FEW_STEPS, *given])
    return {name: (settings.work / name, texts[name]) for name in flags}


def trained_peers(settings: Settings, folder: Path) -> dict[str, tuple[str, Path]]:
    """{peer: (its program, the file of its trained model)}."""
    files = {name: (program, settings.work / f"{program}.model") for name, program in PEERS.items()}
    for program, file in files.values():
        finish(peer(program, "train", folder, "--save", file))
    return files


def beside_pipeline(settings: Settings, title: str, model: Path, file: Path, one_core: bool) -> list[dict[str, Any]]:
    """Tables of `predict` and `pipeline`, whose answers must agree: whole, without the start, one text at a time."""
    latency = settings.pick(200, 50)
    sizes = {"pipeline": 1, "pipeline, 32 at a time": 32}
    outputs = {name: settings.work / f"{name}.csv" for name in (OURS, *sizes)}

    def pipeline(name: str) -> dict[str, Any]:
        words = ["--output", outputs[name], "--batch_size", sizes[name]]
        if sizes[name] == 1:
            words += ["--latency", latency]
        return of_peer(peer("pipeline", model, file, *words), one_core)

    ways = {OURS: lambda: of_ours(model, file, outputs[OURS], one_core, latency)}
    found = by_turns(ways | {name: lambda name=name: pipeline(name) for name in sizes}, rounds_of(settings, one_core))
    facts = {name: {"largest difference": f"{difference(outputs[OURS], outputs[name]):.1e}"} for name in sizes}
    alone = {name: [one["latencies"] for one in found[name]] for name in (OURS, "pipeline")}
    return [*two_tables(f"{title}, {row_count(file):,} texts", found, facts), latencies(title, alone)]


def beside_peers(
    settings: Settings, title: str, model: Path, peers: dict[str, tuple[str, Path]], file: Path, one_core: bool
) -> list[dict[str, Any]]:
    """Tables of `predict` and of the models of other libraries: whole processes, and without their start."""
    output = settings.work / "peers.csv"
    ways = {OURS: lambda: of_ours(model, file, output, one_core)} | {
        name: lambda program=program, trained=trained: of_peer(
            peer(program, "predict", trained, file, output), one_core
        )
        for name, (program, trained) in peers.items()
    }
    found = by_turns(ways, rounds_of(settings, one_core))
    return two_tables(f"{title}, beside other libraries, {row_count(file):,} texts", found)


def rounds_of(settings: Settings, one_core: bool) -> int:
    """One core takes twice as long and is less disturbed."""
    return settings.pick(1 if one_core else 2, 1)


def row_count(file: Path) -> int:
    """The rows of a csv file."""
    return len(pd.read_csv(file))


def of_ours(model: Path, file: Path, output: Path, one_core: bool, latency: int = 0) -> dict[str, Any]:
    """Seconds of the command; seconds without its start and those of single texts, in a process of their own."""
    whole = finish([*PROGRAM, "predict", str(model), "--file", str(file), "--output", str(output)], one_core)
    command = [PROGRAM[0], "-m", "benchmarks.bench.classify", str(model), str(file), "--latency", str(latency)]
    return finish(command, one_core).printed | {"seconds": whole.seconds}


def of_peer(command: list[str], one_core: bool) -> dict[str, Any]:
    """The same of a peer, whose own clock ends when the file is written."""
    printed = finish(command, one_core).printed
    return printed | {"classifying": durations(printed["stations"])["classifying"]}


def two_tables(title: str, found: dict[str, list[dict]], facts: dict | None = None) -> list[dict[str, Any]]:
    """Tables of whole processes, and of the seconds without their start."""
    whole = {name: [one["seconds"] for one in of_way] for name, of_way in found.items()}
    alone = {name: [one["classifying"] for one in of_way] for name, of_way in found.items()}
    return [
        table(f"{title}: whole processes", "s", whole, "less", OURS, facts),
        table(f"{title}: without their start", "s", alone, "less", OURS),
    ]


def latencies(title: str, found: dict[str, list[list[float]]]) -> dict[str, Any]:
    """A table of the median and the 95th percentile for one text, of the seconds of each text."""
    # The first ones warm up.
    taken = {name: [1000 * np.asarray(one)[5:] for one in of_way] for name, of_way in found.items()}
    runs = {name: [float(np.median(one)) for one in of_way] for name, of_way in taken.items()}
    facts = {
        name: {"95th percentile (ms)": float(np.median([np.percentile(one, 95) for one in of_way]))}
        for name, of_way in taken.items()
    }
    return table(f"{title}: one text, median", "ms", runs, "less", OURS, facts)


def difference(ours: Path, other: Path) -> float:
    """The largest difference of two probabilities.

    Raises:
        RuntimeError: it is above `LARGEST_DIFFERENCE`, or a class differs although its probabilities do.
    """
    left, right = (pd.read_csv(file, dtype={"prediction": str}) for file in (ours, other))
    columns = [name for name in right.columns if name.startswith("probability_")]
    values = left[columns].to_numpy()
    largest = float(np.abs(values - right[columns].to_numpy()).max())
    # Where two classes are as likely as each other, the last digit decides.
    ordered = np.sort(values, axis=1)
    decided = ordered[:, -1] - ordered[:, -2] > LARGEST_DIFFERENCE
    differ = (left["prediction"] != right["prediction"]).to_numpy()
    if largest > LARGEST_DIFFERENCE or differ[decided].any():
        raise RuntimeError(f"{other}: probabilities differ by {largest}, classes in {differ.sum()} rows")
    return largest

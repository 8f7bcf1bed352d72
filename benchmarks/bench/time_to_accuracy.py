"""Seconds from the start of a process to a model with its accuracy on test: custom-ngram, fastText, scikit-learn."""

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.bench.data import data_folder
from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.processes import RUN, finish, peer
from benchmarks.bench.settings import Settings

OURS = "custom-ngram"
# One recipe for each accuracy that is aimed at, in percent, and the recipe of the model.
RECIPES = {OURS: OURS} | {f"custom-ngram, to {aim} %": f"ngram-{aim}" for aim in ("88", "90", "91.5")}
PEERS = {"fastText, bigrams": "fasttext_imdb", "scikit-learn, NB-weighted trigrams": "nblr"}


def measure(settings: Settings) -> dict[str, Any]:
    """A table of seconds, with the accuracy and the seconds of the stations."""
    folder = data_folder(settings, *settings.pick((None, None), (6000, 3000)))
    ways = {name: lambda recipe=recipe: of_ours(recipe, folder) for name, recipe in RECIPES.items()}
    ways |= {name: lambda program=program: of_peer(program, folder) for name, program in PEERS.items()}
    found = by_turns(ways, settings.pick(3, 1))
    runs = {name: [one["seconds"] for one in of_way] for name, of_way in found.items()}
    facts = {
        name: {
            "accuracy on test (%)": 100 * median(one["accuracy"] for one in of_way),
            "stations of the last round (s)": ", ".join(
                f"{station} {seconds:.1f}" for station, seconds in of_way[-1]["stations"].items()
            ),
        }
        for name, of_way in found.items()
    }
    return {"tables": [table("From the start of the process to the accuracy", "s", runs, "less", OURS, facts)]}


def of_ours(recipe: str, folder: Path) -> dict[str, Any]:
    """Seconds of a whole run by a recipe, its accuracy, and the seconds of its stations."""
    with tempfile.TemporaryDirectory() as home:
        where = ("--dataset", str(folder), "--output_dir", f"{home}/run")
        done = finish([*RUN, "--config", f"configs/{recipe}.yaml", "--model", OURS, *where])
        report = json.loads(Path(home, "run/report.json").read_text())
    return {"seconds": done.seconds, "accuracy": report["test"]["accuracy"], "stations": report["seconds"]}


def of_peer(program: str, folder: Path) -> dict[str, Any]:
    """Seconds of a whole process, its accuracy, and the seconds of its stations, by the marks that it prints."""
    done = finish(peer(program, "train", folder))
    return done.printed | {"seconds": done.seconds, "stations": durations(done.printed["stations"])}


def durations(ends: dict[str, float]) -> dict[str, float]:
    """{station: seconds at which it was over} -> {station: seconds that it took}."""
    return {name: end - begin for (name, end), begin in zip(ends.items(), [0.0, *ends.values()], strict=False)}

"""Where the time of a run goes: the stations that --profile counts, for three models on all of the data."""

import json
from typing import Any

from benchmarks.bench.data import data_folder
from benchmarks.bench.figures import table
from benchmarks.bench.processes import RUN, finish
from benchmarks.bench.settings import Settings

# The recurrent layer takes minutes for an epoch, and all epochs go the same way.
MODELS = {"custom-fc": (), "custom-lstm": ("--num_train_epochs", "1"), "custom-ngram": ()}


def measure(settings: Settings) -> dict[str, Any]:
    """A table of seconds and shares for each model."""
    folder = data_folder(settings, *settings.pick((None, None), (2000, 2000)))
    return {"tables": [stations_of(settings, model, flags, str(folder)) for model, flags in MODELS.items()]}


def stations_of(settings: Settings, model: str, flags: tuple[str, ...], data: str) -> dict[str, Any]:
    """The seconds of each station of a run with an empty cache."""
    run = settings.work / model
    finish([*RUN, "--model", model, *flags, "--dataset", data, "--output_dir", str(run), "--profile"])
    seconds = json.loads((run / "profile.json").read_text())["seconds"]
    total = sum(seconds.values())
    facts = {name: {"share (%)": 100 * spent / total} for name, spent in seconds.items()}
    title = f"{model}, one epoch" if flags else model
    runs = {name: [spent] for name, spent in seconds.items()} | {"total": [total]}
    return table(title, "s", runs, "less", facts=facts)

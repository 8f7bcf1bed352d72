"""Seconds to the first step when the same data was trained on before, beside the shortest script with `Trainer`."""

import json
from pathlib import Path
from typing import Any

from benchmarks.bench.figures import by_turns, table
from benchmarks.bench.processes import RUN, finish, peer
from benchmarks.bench.settings import Settings

OURS = "this program"
ONE_STEP = (
    *("--max_steps", "1", "--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
    *("--do_train", "true", "--profile"),
)

# Those of a run before its first step; `steps` begins with it.
BEFORE = ("start-up", "reading", "splitting", "hashing", "tokenizer", "tokenizing", "preparing", "other")


def measure(settings: Settings) -> dict[str, Any]:
    """A table of seconds of second starts.

    Raises:
        ValueError: there is no --minilm.
    """
    if settings.minilm is None:
        raise ValueError("--minilm is not given: name the folder of a pretrained encoder, or leave start out")
    homes = {name: settings.work / name for name in ("ours", "theirs")}
    stations: dict[str, float] = {}

    def of_ours() -> float:
        seconds, found = first_step_of_ours(settings, homes["ours"])
        stations.update(found)
        return seconds

    ways = {OURS: of_ours, "a script with Trainer": lambda: first_step_of_peer(settings, homes["theirs"])}
    by_turns(ways, 1)
    runs = by_turns(ways, settings.pick(3, 1))
    said = ", ".join(f"{name} {spent:.1f}" for name, spent in stations.items() if spent >= 0.05)
    facts = {OURS: {"stations of the last round (s)": said}}
    return {"tables": [table("MiniLM, at most 256 tokens, second start", "s", runs, "less", OURS, facts)]}


def first_step_of_ours(settings: Settings, home: Path) -> tuple[float, dict[str, float]]:
    """Seconds of the process without those from its first step on, and of each station before it."""
    words = ("--model", str(settings.minilm), "--dataset", settings.dataset, "--max_seq_length", "256")
    done = finish([*RUN, *words, *ONE_STEP, "--output_dir", str(home / "run"), "--overwrite"], home=home)
    seconds = json.loads((home / "run" / "profile.json").read_text())["seconds"]
    later = sum(spent for name, spent in seconds.items() if name not in BEFORE)
    return done.seconds - later, {name: seconds[name] for name in BEFORE}


def first_step_of_peer(settings: Settings, home: Path) -> float:
    """Seconds that benchmarks/peers/first_step.py prints."""
    return finish(peer("first_step", settings.minilm, Path(settings.dataset).resolve()), home=home).printed["seconds"]

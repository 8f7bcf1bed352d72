"""Differential privacy: E1001 and on."""

import json
from pathlib import Path

from helpers import Stop, flags, run_until, write_data

from faults.everyday.trouble import refuses, survives

PRIVATE = ("--dp_epsilon", "8", "--tokenizer", "bytes", "--save_total_limit", "3")


def private(home: Path, *more: str) -> list[str]:
    """The command line of a private run of ten steps."""
    argv = flags(write_data(home / "data"), home / "run", *PRIVATE, *more, model="custom-fc")
    place = argv.index("--min_frequency")
    return [*argv[:place], *argv[place + 2 :]]


def accountant_damaged(home: Path, *more: str) -> list[str]:
    """The same, stopped after its seventh step; a byte of its newest privacy.json is another."""
    argv = private(home, *more)
    run_until(Stop(7), argv)
    file = home / "run" / "checkpoint-7" / "privacy.json"
    file.write_text(file.read_text().replace('"steps_made": 7', '"steps_made": 1'))
    return argv


def spent(home: Path) -> dict:
    """What the report says."""
    return json.loads((home / "run" / "report.json").read_text())["privacy"]


def reached(home: Path) -> bool:
    """ε is what was asked for, nearly, and no more; no secret is left."""
    found = spent(home)
    secrets = list(home.rglob("privacy.json"))
    return found["steps"] == 10 and 7.9 < found["epsilon_rdp"] <= 8 and not secrets


def set_aside(home: Path) -> bool:
    """All steps were made, from an older checkpoint."""
    return reached(home) and (home / "run" / "checkpoint-7.invalid").is_dir()


def learned_vocabulary(home: Path) -> list[str]:
    """A private run with words of private texts."""
    return private(home, "--tokenizer", "word")


FAULTS = [
    survives("E1001", "as much noise as ε wants", private, reached),
    survives("E1002", "privacy.json changed, on resuming", accountant_damaged, set_aside),
    refuses(
        "E1003",
        "privacy.json changed, checked by size alone",
        lambda home: accountant_damaged(home, "--checkpoint_verify", "size"),
        "does not belong to this run",
    ),
    refuses("E1004", "a vocabulary from private texts", learned_vocabulary, "--tokenizer word"),
]

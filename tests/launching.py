"""Runs in processes of their own, started as a user starts them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


ACCELERATE = [str(Path(sys.executable).with_name("accelerate")), "launch"]


def environment() -> dict[str, str]:
    """Without what a launcher around the tests has set."""
    foreign = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_", "ACCELERATE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def call(launch: list[str], argv: list[str]) -> subprocess.CompletedProcess:
    """`accelerate launch` as a user would, in a process of its own."""
    command = [*launch, str(ROOT / "scripts" / "run.py"), *argv]
    return subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=300)

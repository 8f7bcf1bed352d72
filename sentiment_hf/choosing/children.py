"""Runs and guesses in processes of their own, which end when their time is over."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sentiment_hf.common.errors import Interrupted
from sentiment_hf.comparison.plan.plan import PlannedRun
from sentiment_hf.comparison.plan.side_by_side import PAUSE, noted_signals, start_run, stop


@dataclass(frozen=True)
class Foreseen:
    """What a model would cost: `seconds` of training, `ms` for a text, `bytes` of its weights."""

    seconds: float
    ms: float
    bytes: int


def planned(folder: Path, words: Sequence[str]) -> PlannedRun:
    """The run of these flags in `folder`."""
    own = ["--output_dir", str(folder), "--disable_tqdm", "true"]
    return PlannedRun(folder.name, 0, 0, folder, [*words, *own], "--trust_remote_code" in words, None)


def make(run: PlannedRun, deadline: float | None) -> str | None:
    """Make a run in a process of its own. Returns None if it is finished, else why it is not.

    At the `deadline`, a time of `time.monotonic`, it is told to stop, and saves where it is.

    Raises Interrupted if a signal came; the run is saved.
    """
    late = False
    with noted_signals() as signals:
        child = start_run(run, at_a_time=1)
        try:
            while not (child.has_ended or signals or late):
                time.sleep(PAUSE)
                late = deadline is not None and time.monotonic() >= deadline
        finally:
            stop([child], signals or [signal.SIGTERM])
    if signals:
        raise Interrupted(signals[0], f"stopped in {run.name}; the same command goes on from there")
    return "stopped when the minutes were over" if late and child.failure else child.failure


def foresee(words: Sequence[str]) -> Foreseen | str:
    """What the run with these flags would cost, by some of its steps; or why it cannot be made."""
    command = [sys.executable, "-m", "sentiment_hf.choosing.guess", *words]
    with noted_signals() as signals:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        while True:
            try:
                out, said = process.communicate(timeout=PAUSE)
                break
            except subprocess.TimeoutExpired:
                if signals:
                    process.kill()
    if signals:
        raise Interrupted(signals[0], "stopped before a run; the same command goes on from there")
    if process.returncode:
        return last_line(said) or f"exit code {process.returncode}"
    return Foreseen(**json.loads(last_line(out)))


def last_line(said: str) -> str:
    """The last line that is not empty."""
    return next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "")

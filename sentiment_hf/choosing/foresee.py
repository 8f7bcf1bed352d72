"""What a run would cost, asked of a process of its own."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from sentiment_hf.common.errors import Interrupted
from sentiment_hf.comparison.plan.side_by_side import PAUSE, noted_signals


@dataclass(frozen=True)
class Foreseen:
    """What a model would cost: `seconds` of training, `ms` for a text, `bytes` of its weights."""

    seconds: float
    ms: float
    bytes: int


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

"""Block K: a run is killed at any moment, or asked to end, and the same command is given again until it is done."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from faults.fault import SURVIVED, Fault, run_again, verdict
from faults.ground import Ground
from faults.programs import Program
from faults.shot import kill_after, kill_at_write, shoot
from faults.variants import lora, task, two_processes, variant, workers

SHOTS, WHOLE = 50, 8

ROOT = Path(__file__).parents[2]

# The first run is killed, the one that goes on too, and the third ends.
KILLS = 2


def at_random(signum: int, shots: int, ground: Ground, home: Path) -> Iterator[str]:
    """A signal at a moment of the whole run, its start and its end included."""
    chance = random.Random(signum)
    for shot in range(shots):
        folder = home / str(shot)
        for _ in range(KILLS):
            meanwhile = kill_after(chance.uniform(0, ground.seconds), signum)
            argv = ground.program.argv(ground.data, folder)
            ended = shoot(ground.program.main, argv, home / f"{shot}.log", meanwhile=meanwhile)
            if ended.code is None:
                yield "hangs"
        yield verdict(ground, folder, run_again(ground, folder))


def of_variant(make: Callable[[Ground, Path], Program], shots: int, ground: Ground, home: Path) -> Iterator[str]:
    """Another kind of run, all of whose processes are killed at once."""
    return at_random(signal.SIGKILL, shots, variant(make, ground, home), home)


def at_writes(shots: int, ground: Ground, home: Path) -> Iterator[str]:
    """SIGKILL at the n-th change of a file of the run: inside every write of a save."""
    for shot in range(shots):
        folder = home / str(shot)
        argv = ground.program.argv(ground.data, folder)
        # Of each two neighbours one before the write and one within it.
        before = kill_at_write(1 + ground.writes * (shot - shot % 2) // shots, folder, emptied=shot % 2 == 1)
        ended = shoot(ground.program.main, argv, home / f"{shot}.log", before=before)
        assert ended.code == -signal.SIGKILL, f"not killed: {ended}"
        yield verdict(ground, folder, run_again(ground, folder))


def whole_program(shots: int, ground: Ground, home: Path) -> Iterator[str]:
    """`python scripts/run.py`, started as a user starts it, some time after its first step."""
    chance = random.Random(0)
    for shot in range(shots):
        folder = home / str(shot)
        command = [sys.executable, str(ROOT / "scripts" / "run.py"), *ground.program.argv(ground.data, folder)]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as program:
            while not (folder / "metrics.jsonl").is_file():
                assert program.poll() is None, "it ended before it trained"
                time.sleep(0.01)
            time.sleep(chance.uniform(0, ground.seconds / 2))
            program.kill()
        yield verdict(ground, folder, run_again(ground, folder))


def faults(shots: int) -> list[Fault]:
    """Eleven rows; a start of the whole program takes ten times as long as a fork, so that one has few shots."""
    rows = [("K1", "SIGKILL", signal.SIGKILL), ("K3", "SIGTERM", signal.SIGTERM), ("K4", "SIGINT", signal.SIGINT)]
    found = [
        Fault(id, f"{name} twice at random moments", SURVIVED, partial(at_random, signum, shots))
        for id, name, signum in rows
    ]
    inside = Fault("K2", "SIGKILL at the n-th write to a file of the run", SURVIVED, partial(at_writes, shots))
    whole = partial(whole_program, min(shots, WHOLE))
    found += [inside, Fault("K5", "SIGKILL of python scripts/run.py", SURVIVED, whole, plain=False)]
    others = [
        ("K6", "a LoRA run", lora),
        ("K7", "a run with data workers", workers),
        ("K8", "two processes", two_processes),
        ("K9a", "a run of several labels", task("several labels")),
        ("K9b", "a regression", task("numbers")),
        ("K9c", "a run of ordered classes", task("stars")),
    ]
    for id, what, make in others:
        check = partial(of_variant, make, min(shots, WHOLE))
        found.append(Fault(id, f"SIGKILL of {what} twice at random moments", SURVIVED, check, plain=False))
    return sorted(found, key=lambda fault: fault.id)

"""Block K: a run is killed at any moment, or asked to end, and the same command is given again until it is done."""

import random
import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from faults.fault import SURVIVED, Fault, run_again, verdict
from faults.ground import Ground
from faults.shot import kill_after, kill_at_write, shoot

SHOTS = 50

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


def at_writes(shots: int, ground: Ground, home: Path) -> Iterator[str]:
    """SIGKILL at the n-th change of a file of the run: inside every write of a save."""
    for shot in range(shots):
        folder = home / str(shot)
        argv = ground.program.argv(ground.data, folder)
        before = kill_at_write(1 + ground.writes * shot // shots, folder)
        ended = shoot(ground.program.main, argv, home / f"{shot}.log", before=before)
        assert ended.code == -signal.SIGKILL, f"not killed: {ended}"
        yield verdict(ground, folder, run_again(ground, folder))


def faults(shots: int) -> list[Fault]:
    """Four rows."""
    rows = [("K1", "SIGKILL", signal.SIGKILL), ("K3", "SIGTERM", signal.SIGTERM), ("K4", "SIGINT", signal.SIGINT)]
    found = [
        Fault(id, f"{name} twice at random moments", SURVIVED, partial(at_random, signum, shots))
        for id, name, signum in rows
    ]
    inside = Fault("K2", "SIGKILL at the n-th write to a file of the run", SURVIVED, partial(at_writes, shots))
    return sorted([*found, inside], key=lambda fault: fault.id)

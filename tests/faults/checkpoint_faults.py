"""Block C: the newest checkpoint of a run that was killed is damaged, and the same command is given again."""

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults.fault import SURVIVED, Fault, copy_of, run_again, verdict
from faults.ground import Ground

FILES = ("model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def remove(path: Path) -> None:
    """It is gone."""
    path.unlink()


def cut(path: Path) -> None:
    """Its second half is gone."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    """No byte is left."""
    path.write_bytes(b"")


def flip(path: Path) -> None:
    """One bit, near the end, where weights and not names stand."""
    content = bytearray(path.read_bytes())
    content[-len(content) // 4] ^= 0x40
    path.write_bytes(bytes(content))


DAMAGES: dict[str, Callable[[Path], None]] = {
    "missing": remove,
    "cut in half": cut,
    "empty": empty,
    "with a flipped bit": flip,
}


def damaged(damage: Callable[[Path], None], name: str, ground: Ground, home: Path) -> list[str]:
    """A file of the newest checkpoint."""
    folder = copy_of(ground.killed, home)
    damage(folder / "checkpoint-8" / name)
    return [verdict(ground, folder, run_again(ground, folder))]


def swapped(ground: Ground, home: Path) -> list[str]:
    """The weights of another run, whole in themselves."""
    folder = copy_of(ground.killed, home)
    shutil.copy(ground.other / "checkpoint-8" / FILES[0], folder / "checkpoint-8" / FILES[0])
    return [verdict(ground, folder, run_again(ground, folder))]


def best_damaged(ground: Ground, home: Path) -> list[str]:
    """The checkpoint that the run will end with, which is not the newest."""
    folder = copy_of(ground.killed, home)
    flip(folder / "checkpoint-2" / FILES[0])
    return [verdict(ground, folder, run_again(ground, folder))]


def all_damaged(ground: Ground, home: Path) -> list[str]:
    """Every checkpoint."""
    folder = copy_of(ground.killed, home)
    for step in (2, 6, 8):
        cut(folder / f"checkpoint-{step}" / FILES[0])
    return [verdict(ground, folder, run_again(ground, folder))]


def only_begun(ground: Ground, home: Path) -> list[str]:
    """Killed between the making of the folder and its first file."""
    folder = copy_of(ground.killed, home)
    (folder / "checkpoint-10").mkdir()
    return [verdict(ground, folder, run_again(ground, folder))]


COMBINED = [(name, what) for name in FILES for what in DAMAGES]
FAULTS = [
    Fault(f"C{number:02}", f"{name} {what}", SURVIVED, partial(damaged, DAMAGES[what], name))
    for number, (name, what) in enumerate(COMBINED, 1)
]
FAULTS += [
    Fault("C21", "weights of another run in their place", SURVIVED, swapped),
    Fault("C22", "best checkpoint, an old one, with a flipped bit", SURVIVED, best_damaged),
    Fault("C23", "all checkpoints cut", SURVIVED, all_damaged),
    Fault("C24", "newest folder empty: killed after mkdir", SURVIVED, only_begun),
]

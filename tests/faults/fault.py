"""A fault and its verdict: survived, refused, or what else came of it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from faults.ground import Ground, result
from faults.shot import Ended, shoot

SURVIVED, REFUSED = "survived", "refused"


@dataclass(frozen=True)
class Fault:
    """A row of the matrix: `check` injects it, in a folder of its own, and returns the verdict of each shot.

    Unless it is of something that a `plain` Trainer has too, it is not injected there.
    """

    id: str
    what: str
    expected: str
    check: Callable[[Ground, Path], list[str]] = field(compare=False)
    plain: bool = True


def run_again(ground: Ground, folder: Path) -> Ended:
    """The same command once more."""
    return shoot(ground.program.main, ground.program.argv(ground.data, folder), folder.with_name(f"{folder.name}.log"))


def verdict(ground: Ground, folder: Path, ended: Ended) -> str:
    """Survived: it ended well, and as an undisturbed run. Refused: exit code 2, no traceback."""
    if ended.code is None:
        return "hangs"
    if ended.code == 0:
        found = result(folder)
        differs = [name for name, value in ground.expected.items() if found[name] != value]
        return f"WRONG: other {', '.join(differs)}, exit code 0" if differs else SURVIVED
    if "Traceback (most recent call last)" in ended.stderr:
        return f"stuck: {ended.stderr.strip().splitlines()[-1].split(':')[0]}"
    if ended.code == 2:
        return REFUSED
    return f"exit code {ended.code}"


def copy_of(folder: Path, home: Path) -> Path:
    """To be damaged."""
    return Path(shutil.copytree(folder, home / "run"))

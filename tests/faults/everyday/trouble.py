"""Rows of block E: a command line on files of the row's own, and what has to come of it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

from faults.fault import REFUSED, SURVIVED, Fault
from faults.ground import Ground
from faults.programs import OURS
from faults.shot import Ended, shoot
from sentiment_hf.cli import run_command

Command = Callable[[list[str]], int]
Make = Callable[[Path], list[str]]


def refuses(
    id: str, what: str, make: Make, said: str, command: Command = run_command, code: int = 2, plain: Make | None = None
) -> Fault:
    """`make` writes the files into an empty folder and returns the command line. The last line of stderr has `said`.

    plain: the command line of the plain program for the same trouble; without it the row is not tried there.
    """
    return Fault(id, what, REFUSED, partial(_refused, make, said, command, code, plain), plain=plain is not None)


def survives(
    id: str,
    what: str,
    make: Make,
    right: Callable[[Path], bool],
    command: Command = run_command,
    plain: tuple[Make, Callable[[Path], bool]] | None = None,
) -> Fault:
    """The command ends with exit code 0, and `right` is true of the folder, where `log` is what was printed.

    plain: the same two of the plain program; without them the row is not tried there.
    """
    return Fault(id, what, SURVIVED, partial(_survived, make, right, command, plain), plain=plain is not None)


def _refused(
    make: Make, said: str, command: Command, code: int, plain: Make | None, ground: Ground, home: Path
) -> list[str]:
    if ground.program.name != OURS.name:
        make, command = plain, ground.program.main
    ended = shoot(command, make(home), home / "log")
    if ended.code == 0:
        return ["WRONG: taken in silence"]
    lines = ended.stderr.strip().splitlines()
    if _is_traceback(ended):
        return [f"traceback: {lines[-1].split(':')[0][:60]}"]
    return [REFUSED if ended.code == code and said in lines[-1] else f"exit code {ended.code}: {lines[-1][:80]}"]


def _survived(
    make: Make,
    right: Callable[[Path], bool],
    command: Command,
    plain: tuple[Make, Callable[[Path], bool]] | None,
    ground: Ground,
    home: Path,
) -> list[str]:
    if ground.program.name != OURS.name:
        (make, right), command = plain, ground.program.main
    ended = shoot(command, make(home), home / "log")
    if ended.code == 0:
        return [SURVIVED if right(home) else "WRONG: another result, exit code 0"]
    last = ended.stderr.strip().splitlines()[-1]
    return [f"traceback: {last.split(':')[0][:60]}" if _is_traceback(ended) else f"exit code {ended.code}"]


def _is_traceback(ended: Ended) -> bool:
    return "Traceback (most recent call last)" in ended.stderr

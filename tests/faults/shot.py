"""A program in a process of its own, forked from one that has imported everything and computed nothing."""

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HANG = 60.0


@dataclass(frozen=True)
class Ended:
    """How it ended: its exit code, minus the number of a signal, or None where it hung; and what it said."""

    code: int | None
    stderr: str


def shoot(
    main: Callable[[list[str]], int],
    argv: list[str],
    log: Path,
    before: Callable[[], None] = lambda: None,
    meanwhile: Callable[[int], None] = lambda pid: None,
    hang: float = HANG,
) -> Ended:
    """Run `main`, in the new process after `before`, here beside `meanwhile`, which is given its number.

    After `hang` seconds it hangs.
    """
    # There also where the process is killed before it has said anything.
    log.write_bytes(b"")
    pid = os.fork()
    if pid == 0:
        _child(main, argv, log, before)
    meanwhile(pid)
    code = _wait(pid, hang)
    return Ended(code, log.read_text(encoding="utf-8", errors="replace"))


def _child(main: Callable[[list[str]], int], argv: list[str], log: Path, before: Callable[[], None]) -> None:
    """Never returns, and leaves nothing to do to what its parent had opened."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream in (1, 2):
        os.dup2(output, stream)
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        before()
        code = main(argv)
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code or 0)


def _wait(pid: int, hang: float) -> int | None:
    end = time.monotonic() + hang
    while time.monotonic() < end:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return None


def kill_after(seconds: float, signum: int) -> Callable[[int], None]:
    """For `meanwhile`."""

    def wait_and_kill(pid: int) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            time.sleep(0.002)
        with suppress(ProcessLookupError):
            # A user's Ctrl-C, too, reaches all of them.
            os.killpg(pid, signum)

    return wait_and_kill


def at_each_write(folder: Path, act: Callable[[int, str | None], None]) -> Callable[[], None]:
    """For `before`: `act` is given the number of each time that a file of the folder is made, renamed or removed.

    And the path of one that is about to be made or emptied.
    """
    number = 0

    def look(event: str, arguments: tuple) -> None:
        nonlocal number
        if event == "open":
            path, mode, flags = arguments
            changes = bool(flags & (os.O_WRONLY | os.O_RDWR)) if mode is None else any(c in mode for c in "wax+")
        else:
            path, changes = arguments[0] if arguments else "", event in ("os.rename", "os.remove", "os.mkdir")
        if changes and isinstance(path, str | os.PathLike) and str(folder) in os.fspath(path):
            number += 1
            act(number, os.fspath(path) if event == "open" and mode is not None and "w" in mode else None)

    return lambda: sys.addaudithook(look)


def kill_at_write(number: int, folder: Path, emptied: bool) -> Callable[[], None]:
    """SIGKILL at the n-th write: before it, or where a file is `emptied` and its content still to come."""

    def act(count: int, path: str | None) -> None:
        if count == number:
            if emptied and path:
                Path(path).write_bytes(b"")
            os.kill(os.getpid(), signal.SIGKILL)

    return at_each_write(folder, act)


def count_writes(folder: Path, counter: Path) -> Callable[[], None]:
    """A byte for each write goes into another file."""
    # Opened by number, which is no write that is counted.
    descriptor = os.open(counter, os.O_WRONLY | os.O_CREAT)
    return at_each_write(folder, lambda number, path: os.write(descriptor, b"."))

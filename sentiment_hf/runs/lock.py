"""One run per output folder at a time."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sentiment_hf.common.errors import InputError, windows_explained
from sentiment_hf.common.layout import LOCK

with windows_explained("runs lock their output folder"):
    import fcntl


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One run per folder. A process that ends, in whatever way, is unlocked by the operating system.

    Raises:
        InputError: another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        take(file, fcntl.LOCK_EX)
        # Processes that fetch batches live on for seconds after a run is killed, and would keep its lock.
        os.register_at_fork(after_in_child=file.close)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def refuse_locked(folder: Path) -> None:
    """Raises InputError where another process has the lock now."""
    if (folder / LOCK).is_file():
        with (folder / LOCK).open(encoding="utf-8") as file:
            # Shared: the processes of one run may all look at once.
            take(file, fcntl.LOCK_SH)


def take(file: TextIO, kind: int) -> None:
    """The lock on an open lock file, until it is closed."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise InputError(
            f"--output_dir {Path(file.name).parent} is in use by {file.read()}; wait for it or stop it, or choose "
            "another folder"
        ) from error

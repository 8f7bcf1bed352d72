"""A lock on the output folder, so that only one run writes to it at a time."""

import errno
import logging
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

logger = logging.getLogger(__name__)

# What flock says on a file system without locks, such as some of NFS, of FUSE and of Lustre.
NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EINVAL}


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of `folder` during the block. The operating system releases it if the process is killed.

    Raises:
        InputError: another process has the lock.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK).open("a+", encoding="utf-8") as file:
        acquire_lock(file, fcntl.LOCK_EX)
        # Data loader workers live for seconds after their run is killed; they must not keep its lock.
        os.register_at_fork(after_in_child=file.close)
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        yield


def refuse_locked(folder: Path) -> None:
    """Raise InputError if another process has the lock now."""
    if (folder / LOCK).is_file():
        with (folder / LOCK).open(encoding="utf-8") as file:
            # A shared lock, because all processes of one run check at the same time.
            acquire_lock(file, fcntl.LOCK_SH)


def acquire_lock(file: TextIO, kind: int) -> None:
    """Lock an open lock file until it is closed; `kind` is LOCK_EX or LOCK_SH.

    A file system without locks is warned of, and no lock is held.

    Raises:
        InputError: it is locked.
    """
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        raise InputError(
            f"--output_dir {Path(file.name).parent} is in use by {file.read()}; wait for it or stop it, or choose "
            "another folder"
        ) from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
        logger.warning(
            "%s: its file system has no locks (%s); do not make two runs in it at the same time",
            Path(file.name).parent,
            error.strerror,
        )

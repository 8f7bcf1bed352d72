"""Runs in processes of their own, started as a user starts them."""

import atexit
import functools
import os
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import forked_python

ROOT = Path(__file__).parents[1]
# What conftest.py has set. A test may have changed it for itself when the first program is started.
AT_START = dict(os.environ)
ACCELERATE = [str(Path(sys.executable).with_name("accelerate")), "launch"]


def environment() -> dict[str, str]:
    """Without what a launcher around the tests has set."""
    foreign = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_", "ACCELERATE_")
    return {name: value for name, value in os.environ.items() if not name.startswith(foreign)}


def call(launch: list[str], argv: list[str]) -> subprocess.CompletedProcess:
    """`accelerate launch` as a user would, in a process of its own."""
    command = [*launch, str(ROOT / "scripts" / "run.py"), *argv]
    return subprocess.run(command, env=environment(), cwd=ROOT, capture_output=True, text=True, timeout=300)


@functools.cache
def python() -> str:
    """The command of `forked_python`, whose server starts with the first call and ends with this process."""
    folder, interpreter = Path(tempfile.mkdtemp(prefix="python-")), sys.executable
    command = folder / "python"
    words = [interpreter, "-IS", forked_python.__file__, "client", interpreter]
    command.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
    command.chmod(0o755)
    os.environ[forked_python.ADDRESS] = str(folder / "socket")
    environment = {name: value for name, value in AT_START.items() if name != "PYTHONPATH"}
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.environ[forked_python.ADDRESS])
        listener.listen()
        descriptor = listener.fileno()
        words = [interpreter, "-P", forked_python.__file__, "server", str(command), str(descriptor)]
        streams = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL}
        server = subprocess.Popen(words, env=environment, pass_fds=[descriptor], start_new_session=True, **streams)
    atexit.register(stop, server, folder)
    return str(command)


def stop(server: subprocess.Popen, folder: Path) -> None:
    """The server ends with its standard input."""
    server.stdin.close()
    server.wait()
    shutil.rmtree(folder)

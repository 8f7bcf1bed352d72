"""Whole processes: their seconds, what they print, and the memory of a process with all that it starts."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
RUN = (sys.executable, "scripts/run.py", "--disable_tqdm", "true")
PROGRAM = (sys.executable, "-m", "sentiment_hf")

# One core is bound to a core and asks for one thread: a library that counts cores would start several on it.
ONE_THREAD = {"OMP_NUM_THREADS": "1", "RAYON_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}

# Seconds between two looks at the memory.
INTERVAL = 0.05


@dataclass(frozen=True)
class Finished:
    """A process that has ended well: its seconds from start to end, and its standard output.

    anonymous, memory: its largest anonymous memory, and the largest with shared memory, in bytes; 0 if nobody looked.
    """

    seconds: float
    output: str
    anonymous: int = 0
    memory: int = 0

    @property
    def printed(self) -> dict:
        """The JSON of the last line."""
        return json.loads(self.output.splitlines()[-1])


def peer(name: str, *words: object) -> list[str]:
    """The command line of a program in benchmarks/peers."""
    return [sys.executable, "-m", f"benchmarks.peers.{name}", *map(str, words)]


def finish(command: list[str], one_core: bool = False, watch: bool = False, home: Path | None = None) -> Finished:
    """Run `command` to its end without network; `watch` measures its memory.

    home: the folder of its cache; by default an empty one.

    Raises:
        RuntimeError: the process failed; the message has the end of what it said.
    """
    bound = ["taskset", "-c", str(min(os.sched_getaffinity(0)))] if one_core else []
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryFile("w+") as errors:
        ours = {"PYTHONPATH": str(ROOT), "HF_HOME": str(home or empty), "HF_HUB_OFFLINE": "1"}
        environment = os.environ | ours | (ONE_THREAD if one_core else {})
        begin = time.perf_counter()
        process = subprocess.Popen(
            [*bound, *command], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=errors, text=True
        )
        peak = Peak(process.pid) if watch else None
        output = process.communicate()[0]
        seconds = time.perf_counter() - begin
        errors.seek(0)
        if process.returncode:
            raise RuntimeError(f"{command} ended with {process.returncode}: {errors.read()[-2000:]}")
    return Finished(seconds, output, *(peak.stop() if peak else ()))


class Peak:
    """Looks at the memory of a process and of all that it started until `stop`."""

    def __init__(self, pid: int):
        self.pid, self.anonymous, self.memory = pid, 0, 0
        self.stopped = threading.Event()
        self.thread = threading.Thread(target=self.look, daemon=True)
        self.thread.start()

    def look(self) -> None:
        """Keep the largest of each."""
        while not self.stopped.wait(INTERVAL):
            anonymous, shared = memory_of_family(self.pid)
            self.anonymous, self.memory = max(self.anonymous, anonymous), max(self.memory, anonymous + shared)

    def stop(self) -> tuple[int, int]:
        """Peak anonymous memory, and peak of anonymous and shared memory, in bytes."""
        self.stopped.set()
        self.thread.join()
        return self.anonymous, self.memory


def memory_of_family(pid: int) -> tuple[int, int]:
    """Anonymous bytes of all processes together, and shared bytes of the one that has most of them mapped.

    Shared memory is the same for all processes that map it, so a sum would count it more than once.
    """
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return 0, 0
    states = [memory_of(process) for process in (pid, *(child.pid for child in children))]
    return sum(anonymous for anonymous, _ in states), max(shared for _, shared in states)


def memory_of(pid: int) -> tuple[int, int]:
    """RssAnon and RssShmem of /proc/PID/status in bytes; zeros for a process that has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    anonymous, shared = (int(fields.get(name, "0 kB").split()[0]) * 1024 for name in ("RssAnon", "RssShmem"))
    return anonymous, shared

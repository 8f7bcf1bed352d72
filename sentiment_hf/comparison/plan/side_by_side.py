"""Make runs in processes of their own, one or several at a time, and pass signals on to them."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sentiment_hf.common.cores import available_cores
from sentiment_hf.common.errors import Interrupted, listed
from sentiment_hf.common.signals import restore_handlers, set_handlers
from sentiment_hf.comparison.plan.plan import PlannedRun
from sentiment_hf.settings.run_flags import parse_run

LOGS = "logs"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

# Seconds between two looks at the processes.
PAUSE = 0.05


@dataclass(frozen=True, eq=False)
class Child:
    """A process that makes a run, and when it was started."""

    run: PlannedRun
    process: subprocess.Popen
    start: float = field(default_factory=time.monotonic)

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended."""
        return self.process.poll() is not None

    @property
    def failure(self) -> str | None:
        """None if the run succeeded, else the last line of its log; the process has ended."""
        code = self.process.returncode
        if code == 0:
            return None
        if code < 0:
            return f"killed by signal {-code}"
        said = log_path(self.run).read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line.strip() for line in reversed(said) if line.strip()), f"exit code {code}")


def ended_children(runs: Sequence[PlannedRun], at_a_time: int, begin: Callable[[PlannedRun], None]) -> Iterator[Child]:
    """Make the runs, so many at a time; calls `begin` before each is started, and yields it when it has ended.

    Raises:
        Interrupted: a signal came. All runs that were being made are saved, and no other was begun.
    """
    waiting, running = list(runs), []
    with noted_signals() as signals:
        try:
            while (waiting or running) and not signals:
                while waiting and len(running) < at_a_time:
                    begin(waiting[0])
                    running.append(start_run(waiting.pop(0), at_a_time))
                for child in [child for child in running if child.has_ended]:
                    running.remove(child)
                    yield child
                time.sleep(PAUSE)
        finally:
            # Without a signal there are any only if an error ended the loop, or the reader.
            signals += [signal.SIGTERM] if running and not signals else []
            stop(running, signals)
        if signals:
            where = f"in {listed(child.run.name for child in running)}" if running else "between two runs"
            raise Interrupted(signals[0], f"stopped {where}; the same command goes on from there")


@contextmanager
def noted_signals() -> Iterator[list[int]]:
    """The numbers of the signals that this process receives while the block runs; they have no other effect."""
    received = []
    before = set_handlers(SIGNALS, lambda number, frame: received.append(number))
    try:
        yield received
    finally:
        restore_handlers(before)


def start_run(run: PlannedRun, at_a_time: int) -> Child:
    """Start the process of a run, with its output in the log.

    It has a session of its own, or Ctrl-C in a terminal would reach it twice.
    """
    log = log_path(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "sentiment_hf", "run", *run.argv, *flags_beside_others(run, at_a_time)]
    with log.open("w", encoding="utf-8") as file:
        return Child(run, subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True))


def flags_beside_others(run: PlannedRun, at_a_time: int) -> list[str]:
    """What a run is told that is not made alone: its share of the cores, unless its flags name threads, and that."""
    if at_a_time == 1:
        return []
    share = ["--num_cpu_threads", str(max(1, available_cores() // at_a_time))]
    named = parse_run(run.argv).run.num_cpu_threads
    return [*([] if named else share), "--side_by_side", str(at_a_time)]


def stop(children: Sequence[Child], signals: Sequence[int]) -> None:
    """Pass `signals`, and those that are added to it meanwhile, on to the processes until all have ended.

    SIGHUP, which a closed terminal sends, is passed on as SIGTERM.
    """
    passed = 0
    while not all(child.has_ended for child in children):
        for number in signals[passed:]:
            passed += 1
            for child in children:
                child.process.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)
        time.sleep(PAUSE)


def log_path(run: PlannedRun) -> Path:
    """The file for the output of the run; it lies outside of the folder of the run, which `run` itself creates."""
    return run.folder.parent / LOGS / f"{run.name}.log"

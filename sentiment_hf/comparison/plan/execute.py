"""Make the runs that are planned and not there yet, each in a process of its own, one after the other."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from sentiment_hf.common.errors import Interrupted
from sentiment_hf.comparison.plan.plan import Planned
from sentiment_hf.runs.report import Report

LOGS = "logs"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def execute(planned: list[Planned]) -> list[dict]:
    """Make the missing runs; each says in a line how it went and how long the rest may take.

    Returns:
        `name` and `reason` of each run that failed; the others are finished.

    Raises:
        Interrupted: a signal came; the run that it met is saved, and the same command goes on from there.
    """
    missing = [run for run in planned if run.report is None]
    print(f"{len(planned)} runs, {len(planned) - len(missing)} of them finished already", flush=True)
    failed, seconds = [], {}
    for number, run in enumerate(missing, 1):
        print(f"[{number}/{len(missing)}] {run.name} ...", end=" ", flush=True)
        start = time.monotonic()
        reason = make(run)
        if reason:
            failed.append({"name": run.name, "reason": reason})
            print(f"failed: {reason} ({log_of(run)})", flush=True)
            continue
        seconds.setdefault((run.model, run.train_rows), []).append(time.monotonic() - start)
        report = Report.load(run.folder)
        ranking = report.as_task().ranking
        left = time_left(missing[number:], seconds)
        print(f"{ranking.shown(report.test[ranking.key])} in {duration(time.monotonic() - start)}; {left}", flush=True)
    return failed


def make(run: Planned) -> str | None:
    """None where the run ended well, else the last line that it said."""
    log = log_of(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        code, signals = call([sys.executable, "-m", "sentiment_hf", "run", *run.argv], file)
    if signals:
        raise Interrupted(signals[0], f"stopped in {run.name}; the same command goes on from there")
    if code == 0:
        return None
    if code < 0:
        return f"killed by signal {-code}"
    said = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), f"exit code {code}")


def call(command: list[str], output) -> tuple[int, list[int]]:
    """The exit code of the command, and the signals that came meanwhile.

    They are passed on to it, which is in a session of its own and so gets each once; a lost terminal is the end of it.
    """
    received = []
    with subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True) as child:

        def pass_on(number: int, frame) -> None:
            received.append(number)
            child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

        before = {number: signal.signal(number, pass_on) for number in SIGNALS}
        try:
            return child.wait(), received
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def log_of(run: Planned) -> Path:
    """What the run says goes there; its own folder holds nothing that is not its own."""
    return run.folder.parent / LOGS / f"{run.name}.log"


def time_left(runs: list[Planned], seconds: dict[tuple, list[float]]) -> str:
    """A guess from what the same model took, or from the mean of those that are known."""
    if not runs:
        return "all done"
    overall = mean(value for values in seconds.values() for value in values)
    guess = sum(mean(seconds.get((run.model, run.train_rows), [overall])) for run in runs)
    unknown = sum((run.model, run.train_rows) not in seconds for run in runs)
    return f"about {duration(guess)} left" + (f", a rough guess for {unknown} of {len(runs)} runs" if unknown else "")


def duration(seconds: float) -> str:
    """42 s, 12 min, 3 h 5 min"""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

"""Make the planned runs that are not finished, one after the other, each in a process of its own."""

import signal
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean

from sentiment_hf.common.errors import Interrupted
from sentiment_hf.common.signals import restore_handlers, set_handlers
from sentiment_hf.comparison.plan.plan import PlannedRun
from sentiment_hf.runs.report import Report

LOGS = "logs"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def execute(planned: list[PlannedRun]) -> list[dict]:
    """Make the runs without a report; a line for each says how it ended and estimates the time left.

    Returns:
        `name` and `reason` of each run that failed. All other runs are finished.

    Raises:
        Interrupted: a signal came. The current run is saved, and the same command continues it.
    """
    missing = [run for run in planned if run.report is None]
    print(f"{len(planned)} runs, {len(planned) - len(missing)} of them finished already", flush=True)
    failed, seconds = [], {}
    for number, run in enumerate(missing, 1):
        print(f"[{number}/{len(missing)}] {run.name} ...", end=" ", flush=True)
        start = time.monotonic()
        reason = make_run(run)
        if reason:
            failed.append({"name": run.name, "reason": reason})
            print(f"failed: {reason} ({log_path(run)})", flush=True)
            continue
        seconds.setdefault((run.model, run.train_rows), []).append(time.monotonic() - start)
        report = Report.load(run.folder)
        ranking = report.as_task().ranking
        took = format_duration(time.monotonic() - start)
        # Test scores wait for the page, on which they follow the choice.
        score = f"validation {ranking.shown(report.validation[ranking.key])}" if report.validation else "done"
        print(f"{score} in {took}; {time_left(missing[number:], seconds)}", flush=True)
    return failed


def make_run(run: PlannedRun) -> str | None:
    """Make one run; returns None if it succeeded, else the last line of its log. Raises Interrupted."""
    log = log_path(run)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        code, signals = call_and_pass_signals([sys.executable, "-m", "sentiment_hf", "run", *run.argv], file)
    if signals:
        raise Interrupted(signals[0], f"stopped in {run.name}; the same command goes on from there")
    if code == 0:
        return None
    if code < 0:
        return f"killed by signal {-code}"
    said = log.read_text(encoding="utf-8", errors="replace").split("\n")
    return next((line.strip() for line in reversed(said) if line.strip()), f"exit code {code}")


def call_and_pass_signals(command: list[str], output) -> tuple[int, list[int]]:
    """Run a command with its output in a file; returns its exit code and the signals that this process received.

    Each signal is passed on. The command runs in a session of its own, or Ctrl-C in a terminal would reach it twice.
    SIGHUP, which a closed terminal sends, is passed on as SIGTERM.
    """
    received = []
    with subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, start_new_session=True) as child:

        def pass_on(number: int, frame) -> None:
            received.append(number)
            child.send_signal(signal.SIGTERM if number == signal.SIGHUP else number)

        before = set_handlers(SIGNALS, pass_on)
        try:
            return child.wait(), received
        finally:
            restore_handlers(before)


def log_path(run: PlannedRun) -> Path:
    """The file for the output of the run; it lies outside of the folder of the run, which `run` itself creates."""
    return run.folder.parent / LOGS / f"{run.name}.log"


def time_left(runs: list[PlannedRun], seconds: dict[tuple, list[float]]) -> str:
    """An estimate from the seconds of the same model on as many rows, or from the mean of all runs so far."""
    if not runs:
        return "all done"
    overall = mean(value for values in seconds.values() for value in values)
    guess = sum(mean(seconds.get((run.model, run.train_rows), [overall])) for run in runs)
    unknown = sum((run.model, run.train_rows) not in seconds for run in runs)
    return f"about {format_duration(guess)} left" + (
        f", a rough guess for {unknown} of {len(runs)} runs" if unknown else ""
    )


def format_duration(seconds: float) -> str:
    """42 s, 12 min, 3 h 5 min"""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

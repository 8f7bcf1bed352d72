"""Make the planned runs that are not finished, each in a process of its own, and say how each ended."""

import time
from contextlib import closing
from statistics import mean

from sentiment_hf.comparison.plan.plan import PlannedRun
from sentiment_hf.comparison.plan.side_by_side import ended_children, log_path
from sentiment_hf.runs.report import Report


def execute(planned: list[PlannedRun], jobs: int) -> list[dict]:
    """Make the runs without a report, `jobs` at a time; a line for each says how it ended and estimates the time left.

    Returns:
        `name` and `reason` of each run that failed. All other runs are finished.

    Raises:
        Interrupted: a signal came. The runs that were being made are saved, and the same command continues them.
    """
    missing = [run for run in planned if run.report is None]
    at_a_time = min(jobs, len(missing))
    several = f", {at_a_time} at a time" if at_a_time > 1 else ""
    print(f"{len(planned)} runs, {len(planned) - len(missing)} of them finished already{several}", flush=True)
    failed, progress = [], Progress(missing, at_a_time)
    with closing(ended_children(missing, at_a_time, progress.begin)) as children:
        for child in children:
            if reason := child.failure:
                failed.append({"name": child.run.name, "reason": reason})
            progress.end(child.run, time.monotonic() - child.start, reason)
    return failed


class Progress:
    """Prints the line of each run: in two parts, as it begins and ends, or of several runs at a time when it ends."""

    def __init__(self, runs: list[PlannedRun], at_a_time: int):
        self.total, self.left, self.at_a_time = len(runs), list(runs), at_a_time
        # The seconds of finished runs, by model and rows.
        self.seconds: dict[tuple, list[float]] = {}

    def opening(self, run: PlannedRun) -> str:
        """The first part: [2/4] custom-lstm-seed0 ..."""
        return f"[{self.total - len(self.left) + 1}/{self.total}] {run.name} ..."

    def begin(self, run: PlannedRun) -> None:
        """Print the first part, unless other runs may end before this one."""
        if self.at_a_time == 1:
            print(self.opening(run), end=" ", flush=True)

    def end(self, run: PlannedRun, seconds: float, reason: str | None) -> None:
        """Print how a run ended, `reason` of a failure or None, and the time that those left may take."""
        opening = f"{self.opening(run)} " if self.at_a_time > 1 else ""
        self.left.remove(run)
        if reason:
            print(f"{opening}failed: {reason} ({log_path(run)})", flush=True)
            return
        self.seconds.setdefault((run.model, run.train_rows), []).append(seconds)
        took = f"{validation_score(run)} in {format_duration(seconds)}"
        print(f"{opening}{took}; {time_left(self.left, self.seconds, self.at_a_time)}", flush=True)


def validation_score(run: PlannedRun) -> str:
    """The validation score of a finished run. Test scores wait for the page, on which they follow the choice."""
    report = Report.load(run.folder)
    ranking = report.as_task().ranking
    return f"validation {ranking.shown(report.validation[ranking.key])}" if report.validation else "done"


def time_left(runs: list[PlannedRun], seconds: dict[tuple, list[float]], at_a_time: int) -> str:
    """An estimate from the seconds of the same model on as many rows, or from the mean of all runs so far."""
    if not runs:
        return "all done"
    overall = mean(value for values in seconds.values() for value in values)
    guess = sum(mean(seconds.get((run.model, run.train_rows), [overall])) for run in runs)
    unknown = sum((run.model, run.train_rows) not in seconds for run in runs)
    return f"about {format_duration(guess / min(at_a_time, len(runs)))} left" + (
        f", a rough guess for {unknown} of {len(runs)} runs" if unknown else ""
    )


def format_duration(seconds: float) -> str:
    """42 s, 12 min, 3 h 5 min"""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"

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
    failed, seconds, left = [], {}, list(missing)

    def opening(run: PlannedRun) -> str:
        return f"[{len(missing) - len(left) + 1}/{len(missing)}] {run.name} ..."

    def begin(run: PlannedRun) -> None:
        # The lines of runs that are made side by side would run into each other.
        if at_a_time == 1:
            print(opening(run), end=" ", flush=True)

    with closing(ended_children(missing, at_a_time, begin)) as children:
        for child in children:
            run, took = child.run, time.monotonic() - child.start
            before = f"{opening(run)} " if at_a_time > 1 else ""
            left.remove(run)
            if child.failure:
                failed.append({"name": run.name, "reason": child.failure})
                print(f"{before}failed: {child.failure} ({log_path(run)})", flush=True)
                continue
            seconds.setdefault((run.model, run.train_rows), []).append(took)
            ending = f"{validation_score(run)} in {format_duration(took)}; {time_left(left, seconds, at_a_time)}"
            print(before + ending, flush=True)
    return failed


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
    guess /= min(at_a_time, len(runs))
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

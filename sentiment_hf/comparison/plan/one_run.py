"""A run in a process of its own, which can be told to stop, and then saves where it is."""

import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from sentiment_hf.common.errors import Interrupted
from sentiment_hf.comparison.plan.plan import PlannedRun
from sentiment_hf.comparison.plan.side_by_side import PAUSE, noted_signals, start_run, stop

# Flags of a run that is chosen among others: test is not scored before the end.
WITHOUT_TEST = ("--do_train", "true", "--do_eval", "true", "--do_predict", "false")


def planned(folder: Path, words: Sequence[str]) -> PlannedRun:
    """The run of these flags in `folder`."""
    own = ["--output_dir", str(folder), "--disable_tqdm", "true"]
    return PlannedRun(folder.name, 0, 0, folder, [*words, *own], "--trust_remote_code" in words, None)


# Why a run that was to end is not finished.
STOPPED = "stopped before its end"


def make(run: PlannedRun, ends: Callable[[], bool] = lambda: False) -> str | None:
    """Make a run. Returns None if it is finished, else why it is not. It is stopped, and saved, once it `ends()`.

    Raises Interrupted if a signal came; the run is saved.
    """
    stopped = False
    with noted_signals() as signals:
        child = start_run(run, at_a_time=1)
        try:
            while not (child.has_ended or signals or stopped):
                time.sleep(PAUSE)
                stopped = ends()
        finally:
            stop([child], signals or [signal.SIGTERM])
    if signals:
        raise Interrupted(signals[0], f"stopped in {run.name}; the same command goes on from there")
    return STOPPED if stopped and child.failure else child.failure

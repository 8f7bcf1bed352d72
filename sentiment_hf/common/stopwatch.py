"""The seconds of a run by station, counted alike for networks and baselines."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

# From the data files to the saved model. data: reading and splitting. preprocessing: tokenizer, tokens, features.
# training: steps, or all fits of a grid. evaluation: scoring of validation to choose a checkpoint or a point of the
# grid, calibration included. saving: checkpoints and the final model.
STATIONS = ("data", "preprocessing", "training", "evaluation", "saving")


class Stopwatch:
    """Adds up the seconds of each station in `seconds`."""

    def __init__(self):
        self.seconds: dict[str, float] = {}

    @contextmanager
    def counting(self, station: str) -> Iterator[None]:
        """Add the seconds of the block to a station."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(station, time.perf_counter() - start)

    def add(self, station: str, seconds: float) -> None:
        """Add seconds to a station."""
        self.seconds[station] = self.seconds.get(station, 0.0) + seconds

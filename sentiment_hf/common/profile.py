"""Where the seconds of a run went in this process, finer than `Stopwatch`: what --profile shows."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

IMPORTED = time.perf_counter()

# In the order of a run. A station within another one counts for itself alone.
PROFILED = {
    "start-up": "imports and flags",
    "reading": "data files",
    "splitting": "labels, parts, duplicates",
    "hashing": "digests of texts and parts",
    "tokenizer": "loaded or trained",
    "tokenizing": "texts to token ids, or found in the cache",
    "preparing": "model, and what it takes from train",
    "steps": "forward, backward, optimizer",
    "collating": "batches cut and padded",
    "evaluation": "validation scored in training",
    "checkpoints": "written, checked, loaded",
    "scoring": "validation and test with the chosen weights",
    "report": "model, card, predictions, report",
    "other": "",
}


class Profile:
    """Adds up the seconds of the stations of one run after the other."""

    def __init__(self):
        self.entered: list[str] = []
        self.since, self.seconds = IMPORTED, dict.fromkeys(PROFILED, 0.0)
        self.first = True

    def begin(self) -> None:
        """Forget the run before. What came before the first run of a process is its start-up."""
        if not self.first:
            self.since, self.seconds = time.perf_counter(), dict.fromkeys(PROFILED, 0.0)
        self._charge("start-up")
        self.first = False

    @contextmanager
    def station(self, name: str) -> Iterator[None]:
        """Count the seconds of a block or of a decorated function for a station, and not for the one around it."""
        self._charge(self._current)
        self.entered.append(name)
        try:
            yield
        finally:
            self._charge(self._current)
            self.entered.pop()

    def end(self) -> dict[str, float]:
        """The seconds of each station of the run so far."""
        self._charge(self._current)
        return dict(self.seconds)

    @property
    def _current(self) -> str:
        return self.entered[-1] if self.entered else "other"

    def _charge(self, name: str) -> None:
        """Add the time since the last call to a station."""
        now = time.perf_counter()
        self.seconds[name] += now - self.since
        self.since = now


PROFILE = Profile()
station = PROFILE.station


def profile_table(seconds: dict[str, float]) -> str:
    """A line for each station: its seconds and their share."""
    total = sum(seconds.values())
    lines = [(name, f"{spent:8.2f} s", f"{spent / total:6.1%}", PROFILED[name]) for name, spent in seconds.items()]
    lines.append(("total", f"{total:8.2f} s", "", ""))
    return "\n".join(f"{name:<12}{spent} {share:>7}  {what}".rstrip() for name, spent, share, what in lines)

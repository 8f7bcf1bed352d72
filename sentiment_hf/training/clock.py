"""Count the seconds of a run by station, and tokens and texts of training, over all sessions of the run."""

import json
import time
from pathlib import Path
from typing import Any

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor
from transformers import TrainerCallback

from sentiment_hf.common.layout import CLOCK
from sentiment_hf.common.stopwatch import Stopwatch


class Clock(TrainerCallback):
    """Count the time in which batches are fetched and steps are made, without logging, validating and saving.

    `stations` counts the other stations of the run. `side_by_side` is the most runs that the machine made at a time.

    `on_step_begin` starts the clock at the first step of a session, so that the time in which a resumed run skips
    batches does not count. `on_step_end` stops it. The trainer calls `resume` before it fetches the batches of the
    next step.
    """

    def __init__(self):
        self.seconds, self.tokens, self.texts = 0.0, 0, 0
        self.stations = Stopwatch()
        self.side_by_side = 1
        # True from the begin, and from the end, of the first step of this session on.
        self.begun = self.stepped = False

    def on_step_begin(self, args, state, control, **kwargs):
        """Start the clock at the first step of the session; `resume` starts it for all later steps."""
        if not self.begun:
            self.begun = True
            self.resume()

    def on_step_end(self, args, state, control, **kwargs):
        """Stop the clock. `Trainer` logs, validates and saves after this event."""
        self.seconds += time.perf_counter() - self.resumed_at
        self.stepped = True

    def resume(self) -> None:
        """Start the clock; it stops at the end of the step."""
        self.resumed_at = time.perf_counter()

    def count(self, mask: Tensor) -> None:
        """Add the tokens and texts of a batch; `mask` (batch, length) is 0 at padding."""
        # The sum stays a tensor: converting it to a number would wait for a GPU in every step.
        self.tokens = self.tokens + mask.sum()
        self.texts += len(mask)

    def go_on_from(self, earlier: "Clock") -> None:
        """Add the totals of an earlier fit of the run."""
        self.seconds += earlier.seconds
        self.tokens, self.texts = self.tokens + earlier.tokens, self.texts + earlier.texts
        self.side_by_side = max(self.side_by_side, earlier.side_by_side)
        for station, seconds in earlier.stations.seconds.items():
            self.stations.add(station, seconds)

    def restore(self, checkpoint: Path) -> None:
        """Continue from the totals in `checkpoint`, on the first process only: they are sums over all processes.

        What this session has made again, such as the tokens of the texts, counts with its seconds of the first time.
        A checkpoint of an older version has no stations; then those of this session count.
        """
        if PartialState().is_main_process:
            totals = json.loads((checkpoint / CLOCK).read_text())
            self.seconds, self.tokens, self.texts = totals["seconds"], totals["tokens"], totals["texts"]
            self.stations.seconds |= totals.get("stations", {})
            # The seconds of a run that was once made beside others stay those of such a run.
            self.side_by_side = max(self.side_by_side, totals.get("side_by_side", 1))

    def totals(self) -> dict[str, Any]:
        """Seconds of this process, tokens and texts of all processes together. Every process must call it.

        `seconds` are those of training steps, `stations` those of the other stations of the run.
        """
        counts = torch.tensor([int(self.tokens), self.texts], device=PartialState().device)
        tokens, texts = reduce(counts, "sum").tolist()
        counted = {"seconds": self.seconds, "tokens": tokens, "texts": texts}
        return counted | {"stations": dict(self.stations.seconds), "side_by_side": self.side_by_side}

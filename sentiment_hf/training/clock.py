"""How long training took, and how many tokens and texts it saw, over all sessions of a run."""

import json
import time
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import reduce
from torch import Tensor
from transformers import TrainerCallback

from sentiment_hf.common.layout import CLOCK


class Clock(TrainerCallback):
    """Runs while batches are fetched and steps are made; stands while `Trainer` logs, validates and saves.

    `on_step_begin` starts it at the first step of a session, so that the batches that a resumed run skips do not
    count. `on_step_end` stops it, and the trainer calls `resume` before it fetches the batches of the next step.
    """

    def __init__(self):
        self.seconds, self.tokens, self.texts = 0.0, 0, 0
        # Set once the first step of this session begins: what fails from then on is no refused flag.
        self.begun = False

    def on_step_begin(self, args, state, control, **kwargs):
        """Start, unless `resume` did before the batches of this step were fetched."""
        if not self.begun:
            self.begun = True
            self.resume()

    def on_step_end(self, args, state, control, **kwargs):
        """Stop. `Trainer` logs, validates and saves after this event."""
        self.seconds += time.perf_counter() - self.resumed_at

    def resume(self) -> None:
        """Count the seconds from now on, until the end of the step."""
        self.resumed_at = time.perf_counter()

    def count(self, mask: Tensor) -> None:
        """Add the tokens and texts of a batch; `mask` (batch, length) is 0 at padding."""
        # The sum stays a tensor, so that no step waits for the device.
        self.tokens = self.tokens + mask.sum()
        self.texts += len(mask)

    def restore(self, checkpoint: Path) -> None:
        """Go on from the totals of the sessions before; the first process keeps them, since they are sums over all."""
        if PartialState().is_main_process:
            totals = json.loads((checkpoint / CLOCK).read_text())
            self.seconds, self.tokens, self.texts = totals["seconds"], totals["tokens"], totals["texts"]

    def totals(self) -> dict[str, float | int]:
        """Wall-clock seconds of the first process, tokens and texts of all; every process must call it."""
        counts = torch.tensor([int(self.tokens), self.texts], device=PartialState().device)
        tokens, texts = reduce(counts, "sum").tolist()
        return {"seconds": self.seconds, "tokens": tokens, "texts": texts}

"""Callbacks: stop on a signal, stop on a broken loss, write metrics.jsonl."""

import json
import math
import os
import signal
from pathlib import Path

import torch
from transformers import TrainerCallback

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import write_text
from sentiment_hf.training.processes import launcher


class StopOnSignal(TrainerCallback):
    """SIGINT or SIGTERM: finish the step, write a checkpoint, stop; a second signal ends the process at once.

    `with` it both signals are taken over, and given back whatever happens. `accelerate launch` of one process does not
    pass a SIGTERM on, so the end of the launcher counts as one.
    """

    def __init__(self):
        self.signum: int | None = None
        self.launcher = launcher()

    def __enter__(self):
        self.before = {signum: signal.signal(signum, self.receive) for signum in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, *exception):
        for signum, handler in self.before.items():
            signal.signal(signum, handler)

    def receive(self, signum: int, frame) -> None:
        """The handler: remember, and let the next signal through."""
        self.signum = signum
        signal.signal(signum, self.before[signum])

    def on_step_end(self, args, state, control, **kwargs):
        """Stop here, with a checkpoint; all processes at the same step, or they would wait for ever."""
        if self.signum is None and self.launcher and self.launcher.pid != os.getppid():
            self.signum = signal.SIGTERM
        if args.world_size > 1:
            signum = torch.tensor(self.signum or 0, device=args.device)
            torch.distributed.all_reduce(signum, torch.distributed.ReduceOp.MAX)
            self.signum = int(signum) or None
        if self.signum is not None:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args, state, control, **kwargs):
        """An epoch left in the middle is not validated: the choice of the checkpoint stays that of a whole run."""
        if self.signum is not None and state.epoch % 1 and state.global_step < state.max_steps:
            control.should_evaluate = control.should_save = False


class StopOnBrokenLoss(TrainerCallback):
    """A loss that is logged and not finite: in validation, or in fp16; `Trainer` alone would go on to the end."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Raises TrainingError at the first such loss, in training or validation."""
        losses = [value for name, value in (logs or {}).items() if name in ("loss", "eval_loss", "train_loss")]
        if not all(math.isfinite(loss) for loss in losses):
            raise TrainingError(
                f"the loss became {losses[0]} by step {state.global_step}; lower --learning_rate or --max_grad_norm"
            )


class MetricsFile(TrainerCallback):
    """metrics.jsonl: what was logged, a JSON object a line, with its step."""

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(self, args, state, control, **kwargs):
        """Lines of an earlier session that lie after the checkpoint are written again."""
        if state.is_world_process_zero:
            write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in state.log_history))

    def on_log(self, args, state, control, logs=None, **kwargs):
        """One line."""
        if state.is_world_process_zero and logs:
            with self.path.open("a") as file:
                file.write(json.dumps(logs | {"step": state.global_step, "epoch": state.epoch}) + "\n")

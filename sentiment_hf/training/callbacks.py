"""Callbacks: stop on a signal, on a loss that is not finite, without progress; write metrics.jsonl and manifests."""

import json
import math
import os
import signal
from pathlib import Path

import torch
import transformers
from accelerate import PartialState
from transformers import TrainerCallback

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import write_json, write_text
from sentiment_hf.common.layout import CLOCK
from sentiment_hf.common.signals import restore_handlers, set_handlers
from sentiment_hf.training.checkpoints import checkpoint_at, delete_old_checkpoints, write_manifest
from sentiment_hf.training.clock import Clock
from sentiment_hf.training.disk import full_disk_explained
from sentiment_hf.training.processes import find_launcher


class StopOnSignal(TrainerCallback):
    """On SIGINT or SIGTERM, finish the step, write a checkpoint and stop; a second signal ends the process at once.

    As a context manager it installs the handlers, and restores the earlier ones at the end. `accelerate launch` with
    one process does not pass SIGTERM on, so the end of the launcher counts as SIGTERM.
    """

    def __init__(self):
        self.signum: int | None = None
        self.launcher = find_launcher()

    def __enter__(self):
        self.before = set_handlers((signal.SIGINT, signal.SIGTERM), self.receive)
        return self

    def __exit__(self, *exception):
        restore_handlers(self.before)

    def receive(self, signum: int, frame) -> None:
        """Handle the signal: store its number, and restore the earlier handler for the next signal."""
        self.signum = signum
        signal.signal(signum, self.before[signum])

    def on_step_end(self, args, state, control, **kwargs):
        """Stop with a checkpoint after a signal, all processes at the same step; one alone would wait for ever."""
        if self.signum is None and self.launcher and self.launcher.pid != os.getppid():
            self.signum = signal.SIGTERM
        if args.world_size > 1:
            signum = torch.tensor(self.signum or 0, device=args.device)
            torch.distributed.all_reduce(signum, torch.distributed.ReduceOp.MAX)
            self.signum = int(signum) or None
        if self.signum is not None:
            control.should_save = control.should_training_stop = True

    def on_epoch_end(self, args, state, control, **kwargs):
        """Skip the validation of an epoch that a signal ended in the middle: an undisturbed run has no score there."""
        if self.signum is not None and state.epoch % 1 and state.global_step < state.max_steps:
            control.should_evaluate = control.should_save = False


class SparseValidation(TrainerCallback):
    """Validate, and write a checkpoint, at the end of every so many epochs and at the end of training only."""

    def __init__(self, epochs: int):
        self.epochs = epochs

    def on_epoch_end(self, args, state, control, **kwargs):
        """Leave out the validation of another epoch."""
        if state.epoch % self.epochs and state.global_step < state.max_steps:
            control.should_evaluate = control.should_save = False


class StopOnBrokenLoss(TrainerCallback):
    """Stop at a logged loss that is not finite, in validation or in fp16. `Trainer` itself would continue."""

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Raise TrainingError if a loss of training or validation is not finite."""
        losses = [value for name, value in (logs or {}).items() if name in ("loss", "eval_loss", "train_loss")]
        if not all(math.isfinite(loss) for loss in losses):
            raise TrainingError(
                f"the loss became {losses[0]} by step {state.global_step}; lower --learning_rate or --max_grad_norm"
            )


class EarlyStoppingCallback(transformers.EarlyStoppingCallback):
    """Stop after `early_stopping_patience` validations without a better score, including those of earlier sessions.

    The patience is that of the flag, which --force_resume can change. The library would restore the patience of the
    checkpoint. The class has the name of the library's class, because a checkpoint stores the state of a callback
    under its class name.
    """

    def on_train_begin(self, args, state, control, **kwargs):
        """Restore the count from the checkpoint, and stop if the patience was used up before training was resumed."""
        super().on_train_begin(args, state, control, **kwargs)
        # If the run had no patience until now, its checkpoint has no entry; `Trainer` needs one when it saves.
        saved = state.stateful_callbacks.setdefault(type(self).__name__, self.state())
        self.early_stopping_patience_counter = saved["attributes"]["early_stopping_patience_counter"]
        if self.early_stopping_patience_counter >= self.early_stopping_patience:
            control.should_training_stop = True


class CheckpointsOnDisk(TrainerCallback):
    """Add clock.json and then the manifest to each checkpoint, and delete older checkpoints after that."""

    def __init__(self, clock: Clock, limit: int | None, verify: str):
        self.clock, self.limit, self.verify = clock, limit, verify

    def on_train_begin(self, args, state, control, **kwargs):
        """Set the path of the best checkpoint anew, because the output folder may have been moved since then."""
        if state.best_global_step:
            best = checkpoint_at(args.output_dir, state.best_global_step)
            if best.is_dir():
                state.best_model_checkpoint = str(best)

    def on_save(self, args, state, control, **kwargs):
        """Wait until every process has written its files; then the first process completes the checkpoint."""
        PartialState().wait_for_everyone()
        totals = self.clock.totals()
        if args.should_save:
            folder = checkpoint_at(args.output_dir, state.global_step)
            with full_disk_explained(folder), self.clock.stations.counting("saving"):
                write_json(folder / CLOCK, totals)
                write_manifest(folder, self.verify)
            best = state.best_model_checkpoint
            delete_old_checkpoints(folder.parent, self.limit, Path(best) if best else None)


class MetricsFile(TrainerCallback):
    """Write each log entry of `Trainer` to metrics.jsonl, one JSON object per line, with step and epoch."""

    def __init__(self, path: Path):
        self.path = path

    def on_train_begin(self, args, state, control, **kwargs):
        """Write the entries up to the checkpoint anew; this removes later lines of an earlier session."""
        if state.is_world_process_zero:
            write_text(self.path, "".join(json.dumps(entry) + "\n" for entry in state.log_history))

    def on_log(self, args, state, control, logs=None, **kwargs):
        """Append one line."""
        if state.is_world_process_zero and logs:
            with self.path.open("a") as file:
                file.write(json.dumps(logs | {"step": state.global_step, "epoch": state.epoch}) + "\n")

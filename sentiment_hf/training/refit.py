"""The second fit of --refit: on train and validation, for as many steps as the first fit chose, scaled with the rows.

Its checkpoints are in a folder of their own. An interrupted run first finds the first fit finished, and goes on here.
"""

import logging
import shutil
from copy import copy
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import IntervalStrategy, SaveStrategy

from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import IDENTITY, REFIT
from sentiment_hf.data.splits import Splits
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.training.checkpoints import newest_whole_checkpoint, set_aside_damaged
from sentiment_hf.training.train import build_trainer, train
from sentiment_hf.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)


class StopAt(TrainerCallback):
    """End training after `step` steps, with a checkpoint. The learning rate falls as if training went on."""

    def __init__(self, step: int):
        self.step = step

    def on_train_begin(self, args, state, control, **kwargs):
        """Make no step if a resumed fit has made them all."""
        self.on_step_end(args, state, control)

    def on_step_end(self, args, state, control, **kwargs):
        """Stop after the last step."""
        if state.global_step >= self.step:
            control.should_save = control.should_training_stop = True


def refit(
    first: ClassificationTrainer, spec: RunSpec, splits: Splits, identity: dict[str, Any]
) -> ClassificationTrainer:
    """Train anew on train and validation, and return the trainer. `first` loses its model.

    The steps are those up to the best checkpoint of `first`, times the texts of the second fit over those of the
    first, on the schedule of `first` stretched alike. `identity` is that of the run: a second fit of another run, or
    for another number of steps, is deleted.

    Raises what `train` raises.
    """
    both = splits.with_validation_in_train()
    alone = len(splits.unlabelled or ())
    stretch = (len(both.train) + alone) / (len(splits.train) + alone)
    args = refit_arguments(first, stretch)
    steps = max(1, round(chosen_step(first) * stretch))
    with args.main_process_first(local=False, desc="preparing the second fit"):
        if args.process_index == 0:
            claim(Path(args.output_dir), identity | {"refit_steps": steps}, spec.run.checkpoint_verify)
    checkpoint = newest_whole_checkpoint(Path(args.output_dir), spec.run.checkpoint_verify)
    logger.warning("--refit: training again, %d steps on %d rows of train and validation", steps, len(both.train))
    first.release()
    trust = spec.model.trust_remote_code
    resumed = checkpoint and ModelRef.in_folder(checkpoint, flag="--output_dir", trust_remote_code=trust)
    second = build_trainer(spec, args, both, resumed)
    second.given_args = first.given_args
    second.clock.go_on_from(first.clock)
    second.add_callback(StopAt(steps))
    train(second, checkpoint)
    return second


def chosen_step(trainer: ClassificationTrainer) -> int:
    """The step with the best score on validation; without validation in training, the last."""
    best = trainer.state.best_global_step if trainer.args.load_best_model_at_end else None
    return best or trainer.state.global_step


def refit_arguments(first: ClassificationTrainer, stretch: float) -> TrainingArguments:
    """The arguments of `first` without validation, for `stretch` times its steps, in a folder of their own."""
    args = copy(first.args)
    args.output_dir = str(Path(args.output_dir, REFIT))
    args.max_steps = max(1, round(first.state.max_steps * stretch))
    args.eval_strategy = IntervalStrategy.NO
    args.load_best_model_at_end = False
    if args.save_strategy == SaveStrategy.BEST:
        args.save_strategy = SaveStrategy.EPOCH
    return args


def claim(folder: Path, identity: dict[str, Any], verify: str) -> None:
    """Delete the second fit in `folder` if it is another one; set damaged checkpoints aside."""
    file = folder / IDENTITY
    if file.is_file() and read_json(file) != identity:
        shutil.rmtree(folder)
    folder.mkdir(exist_ok=True)
    write_json(file, identity)
    set_aside_damaged(folder, verify)

"""Room on the disk: asked for before training begins, and explained where it runs out in the middle."""

import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import PeftModel
from safetensors import SafetensorError
from transformers import Trainer

from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.training.checkpoints import newest_first
from sentiment_hf.training.processes import lost_process

# AdamW keeps two numbers for each that is trained; what else is written is small.
OPTIMIZER = 2
SMALL_FILES = 10 * 2**20


def require_writable(folder: Path) -> None:
    """Raises InputError where the output folder cannot be made or written to."""
    home = existing(folder)
    if not home.is_dir():
        raise InputError(f"--output_dir {folder}: {home} is a file; choose another folder")
    if not os.access(home, os.W_OK):
        raise InputError(f"--output_dir {folder}: {home} cannot be written to; choose another folder")


def existing(folder: Path) -> Path:
    """The folder, or what there is of the path to it."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def require_space(trainer: Trainer) -> None:
    """Raises InputError where the disk of the output folder cannot hold the run."""
    folder = Path(trainer.args.output_dir)
    # Checkpoints that are there are gone on from or replaced.
    there = [path for checkpoint in newest_first(folder) for path in checkpoint.rglob("*")]
    free = shutil.disk_usage(existing(folder)).free + sum(path.stat().st_size for path in there)
    needed = space_needed(trainer)
    if free < needed:
        raise InputError(
            f"--output_dir {folder}: the run needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; "
            "make room, choose another folder, or keep fewer checkpoints by --save_total_limit"
        )


def space_needed(trainer: Trainer) -> int:
    """Bytes of the model and of as many checkpoints as there are at once, the one that is being written included."""
    weights = trainer.model.parameters()
    sizes = [(weight.numel() * weight.element_size(), weight.requires_grad) for weight in weights]
    trained = sum(size for size, is_trained in sizes if is_trained)
    model = trained if isinstance(trainer.model, PeftModel) else sum(size for size, _ in sizes)
    return model + checkpoints_at_once(trainer) * (model + OPTIMIZER * trained) + SMALL_FILES


def checkpoints_at_once(trainer: Trainer) -> int:
    """The newest, the best and what else --save_total_limit keeps, and one that is being written."""
    args = trainer.args
    if not args.do_train or args.save_strategy == "no":
        return 0
    if args.save_total_limit:
        return max(args.save_total_limit, 2 if args.load_best_model_at_end else 1) + 1
    _, in_epoch, *_, steps = trainer.set_initial_training_values(args, trainer.get_train_dataloader())
    share = steps * args.save_steps if args.save_steps < 1 else args.save_steps
    return math.ceil(steps / (share if args.save_strategy == "steps" else in_epoch))


@contextmanager
def unwritable_explained(folder: Path) -> Iterator[None]:
    """Around all that a run writes; raises TrainingError where the disk is full, or cannot be written to any more."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{folder} could not be written to ({' '.join(str(error).split())[:200]}): make room, and the same "
            "command goes on from the last checkpoint"
        ) from error


@contextmanager
def full_disk_explained(checkpoint: Path) -> Iterator[None]:
    """Around the writing of a checkpoint: one that fails is removed, and the run ends; those before it stay.

    Raises:
        TrainingError: nothing can be written. PyTorch and safetensors say so by errors of their own.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if lost_process(error):
            raise
        shutil.rmtree(checkpoint, ignore_errors=True)
        raise TrainingError(
            f"{checkpoint} could not be written ({' '.join(str(error).split())[:200]}); those before it are whole: "
            "make room, and the same command goes on from the last one"
        ) from error

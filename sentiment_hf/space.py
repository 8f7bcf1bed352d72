"""Room on the disk: asked for before training begins, and explained where it runs out in the middle."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from peft import PeftModel
from safetensors import SafetensorError
from transformers import Trainer

from sentiment_hf.errors import InputError, TrainingError
from sentiment_hf.failures import lost_process

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
    free, needed = shutil.disk_usage(existing(folder)).free, space_needed(trainer)
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
    steps = args.max_steps if args.max_steps > 0 else args.num_train_epochs * len(trainer.get_train_dataloader())
    each = args.save_steps if args.save_strategy == "steps" else len(trainer.get_train_dataloader())
    return max(1, round(steps / each))


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

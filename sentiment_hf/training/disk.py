"""Disk space: checked before training, and explained in an error if it runs out during training."""

import errno
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
from sentiment_hf.models.sharded import size_of
from sentiment_hf.training.checkpoints import checkpoints_newest_first
from sentiment_hf.training.processes import explain_lost_process
from sentiment_hf.training.sharding import asked_sharding

# AdamW keeps two numbers for each trained weight.
ADAMW_NUMBERS_PER_WEIGHT = 2
SHARED_MEMORY = Path("/dev/shm")
# A page of memory for each of the locks and events of a process that fetches batches.
LOCKS_BYTES = 8 * 4096
# Bytes for all files other than weights and optimizer.
SMALL_FILES_BYTES = 10 * 2**20


def require_writable(folder: Path) -> None:
    """Raise InputError if the output folder cannot be made or written to."""
    parent = nearest_existing(folder)
    if not parent.is_dir():
        raise InputError(f"--output_dir {folder}: {parent} is a file; choose another folder")
    if not os.access(parent, os.W_OK):
        raise InputError(f"--output_dir {folder}: {parent} cannot be written to; choose another folder")


def nearest_existing(folder: Path) -> Path:
    """The folder, or its nearest parent that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())


def require_space(trainer: Trainer) -> None:
    """Raise InputError if the disk of the output folder has less room than the run needs."""
    folder = Path(trainer.args.output_dir)
    # Checkpoints of an earlier session count as free space: the run deletes them or does not write them again.
    earlier = [path for checkpoint in checkpoints_newest_first(folder) for path in checkpoint.rglob("*")]
    free = shutil.disk_usage(nearest_existing(folder)).free + sum(path.stat().st_size for path in earlier)
    needed = bytes_needed(trainer)
    if free < needed:
        raise InputError(
            f"--output_dir {folder}: the run needs about {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; "
            "make room, choose another folder, or keep fewer checkpoints by --save_total_limit"
        )


def require_shared_memory(trainer: Trainer) -> None:
    """Raise InputError if /dev/shm, by which processes that fetch batches hand them over, has no room for these.

    In the middle of training such a process would end with a traceback of its own.
    """
    needed = shared_bytes_needed(trainer)
    if not needed or not SHARED_MEMORY.is_dir():
        return
    free = shutil.disk_usage(SHARED_MEMORY).free
    if free < needed:
        raise InputError(
            f"{SHARED_MEMORY}, where processes that fetch batches share memory, has {free / 1e6:.2g} MB free, and "
            f"{needed / 1e6:.2g} MB are needed: give --dataloader_num_workers 0, or more room (docker run --shm-size)"
        )


def shared_bytes_needed(trainer: Trainer) -> int:
    """Bytes of all batches that --dataloader_num_workers processes hold ready, and of their locks."""
    args = trainer.args
    texts = max(args.train_batch_size, args.eval_batch_size)
    longest = max(int(part.lengths.max()) for part in (trainer.train_dataset, trainer.eval_dataset))
    batch = texts * longest * len(trainer.processing_class.model_input_names) * 8
    ready = args.dataloader_prefetch_factor or 2
    return args.world_size * args.dataloader_num_workers * (ready * batch + LOCKS_BYTES)


def bytes_needed(trainer: Trainer) -> int:
    """Bytes of the saved model and of all checkpoints that exist at the same time."""
    weights = trainer.model.parameters()
    sizes = [(size_of(weight) * weight.element_size(), weight.requires_grad) for weight in weights]
    trained = sum(size for size, is_trained in sizes if is_trained)
    model = trained if isinstance(trainer.model, PeftModel) else sum(size for size, _ in sizes)
    # With --ema the weights of the last step lie beside the averages.
    numbers = ADAMW_NUMBERS_PER_WEIGHT + (trainer.average is not None)
    # FSDP and DeepSpeed keep the weights a second time, in a form of their own.
    model_there = model + (sum(size for size, _ in sizes) if asked_sharding(vars(trainer.args)) else 0)
    return model + checkpoints_at_once(trainer) * (model_there + numbers * trained) + SMALL_FILES_BYTES


def checkpoints_at_once(trainer: Trainer) -> int:
    """The number of checkpoints that are kept, including the newest and the best, plus one that is being written."""
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
    """Turn an error of writing a file into TrainingError, which blames that file or, if it is unknown, `folder`."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        place, advice = blamed(error, folder)
        raise TrainingError(
            f"{place} could not be written to ({' '.join(str(error).split())[:200]}): {advice}, and the same "
            "command goes on from the last checkpoint"
        ) from error


def blamed(error: Exception, folder: Path) -> tuple[Path, str]:
    """What could not be written to, and what to do: a file outside of `folder` is not one of the run."""
    file = getattr(error, "filename", None)
    path = Path(os.fsdecode(file)).absolute() if isinstance(file, str | bytes) else folder.absolute()
    allow = (
        "make it writable"
        if getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)
        else "make room"
    )
    if path.is_relative_to(folder.absolute()):
        return folder, allow
    return path, f"{allow} or name another place (HF_HOME for the caches, TMPDIR for temporary files)"


@contextmanager
def full_disk_explained(checkpoint: Path) -> Iterator[None]:
    """Delete `checkpoint` if writing it fails, and end the run. Earlier checkpoints stay.

    Raises:
        TrainingError: writing failed. For a full disk, PyTorch and safetensors raise errors of their own types.
    """
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        if explain_lost_process(error):
            raise
        shutil.rmtree(checkpoint, ignore_errors=True)
        raise TrainingError(
            f"{checkpoint} could not be written ({' '.join(str(error).split())[:200]}); those before it are whole: "
            "make room, and the same command goes on from the last one"
        ) from error

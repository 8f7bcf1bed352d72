"""What ends a training from outside: a data worker or another process of the run that is gone."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from transformers import TrainingArguments

from sentiment_hf.common.errors import InputError, TrainingError

# As PyTorch says it, whose errors for them have no types of their own.
LOST_PEER = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")


@contextmanager
def lost_processes_explained() -> Iterator[None]:
    """Raises TrainingError where another process is gone."""
    try:
        yield
    except TrainingError:
        raise
    except RuntimeError as error:
        if found := lost_process(error):
            said = " ".join(str(error).split())[:200]
            message = f"{found} ({said}); the same command goes on from the last checkpoint"
            raise TrainingError(message) from error
        raise


def lost_process(error: Exception) -> str | None:
    """Which one the error means. That of a data worker comes from a signal handler, wherever the process then is."""
    if "DataLoader worker" in str(error):
        return "a process that fetches batches is gone, often for want of memory: lower --dataloader_num_workers"
    if isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in LOST_PEER):
        return "another process of this run is gone"
    return None


# How the command line of the launcher begins, behind the interpreter.
LAUNCHERS = ("accelerate", "accelerate-launch", "accelerate/commands/launch.py", "accelerate.commands.launch")


def use_all_cores(args: TrainingArguments, num_cpu_threads: int | None) -> None:
    """`accelerate launch` exports OMP_NUM_THREADS=1, which would leave all cores but one idle."""
    here = int(os.environ.get("LOCAL_WORLD_SIZE", args.world_size))
    torch.set_num_threads(num_cpu_threads or max(1, available_cores() // here))


def available_cores() -> int:
    """Those that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def refuse_fewer_processes(args: TrainingArguments) -> None:
    """A launch that was to start several processes and came down to fewer would train another model in silence.

    Raises:
        InputError: fewer processes work together than the launcher was told.
    """
    asked = int(os.environ.get("WORLD_SIZE", 1))
    if asked == 1:
        asked = processes_of_launcher()
    if asked > args.world_size:
        raise InputError(
            f"{asked} processes were asked for, but {args.world_size} work together here. On a CPU, "
            "`accelerate launch --cpu` starts one process only: use "
            "`accelerate launch --config_file configs/accelerate/cpu-2.yaml` instead"
        )


def launcher() -> psutil.Process | None:
    """The `accelerate launch` that started this process."""
    parent = psutil.Process().parent()
    return parent if parent and arguments_of(parent) is not None else None


def arguments_of(process: psutil.Process) -> list[str] | None:
    """What stands behind `accelerate launch` in its command line; None for any other process."""
    words = process.cmdline()
    start = next((index + 1 for index, word in enumerate(words[:3]) if word.endswith(LAUNCHERS)), None)
    if start is None:
        return None
    return words[start + 1 :] if words[start : start + 1] == ["launch"] else words[start:]


def processes_of_launcher() -> int:
    """What `accelerate launch` was told, where it started this process as its only one; else 1."""
    process = launcher()
    if process is None:
        return 1
    parsed = launch_command_parser().parse_args(arguments_of(process))
    if parsed.num_processes is not None:
        return parsed.num_processes
    file = parsed.config_file or (default_config_file if os.path.isfile(default_config_file) else None)
    return load_config_from_file(file).num_processes if file else 1

"""The processes of a run: how many were launched, their threads, and errors where one of them has ended."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import torch
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from transformers import TrainingArguments

from sentiment_hf.common.cores import available_cores
from sentiment_hf.common.errors import InputError, TrainingError

# Words in the errors of PyTorch when another process has ended; these errors have no type of their own.
LOST_PEER = ("closed by peer", "reset by peer", "Broken pipe", "remote process exited")


@contextmanager
def lost_processes_explained() -> Iterator[None]:
    """Turn an error that means that another process has ended into TrainingError."""
    try:
        yield
    except TrainingError:
        raise
    except RuntimeError as error:
        if explanation := explain_lost_process(error):
            reason = " ".join(str(error).split())[:200]
            message = f"{explanation} ({reason}); the same command goes on from the last checkpoint"
            raise TrainingError(message) from error
        raise


def explain_lost_process(error: Exception) -> str | None:
    """Explain which process has ended, or None if the error has another cause.

    torch raises the error of a data worker in a signal handler, so it can appear at any place in this process.
    """
    if "DataLoader worker" in str(error):
        return (
            "a process that fetches batches is gone, often for want of memory or of room in /dev/shm: give "
            "--dataloader_num_workers 0"
        )
    if isinstance(error, torch.distributed.DistError) or any(words in str(error) for words in LOST_PEER):
        return "another process of this run is gone"
    return None


# One of the first three words of the launcher's command line ends like this.
LAUNCHERS = ("accelerate", "accelerate-launch", "accelerate/commands/launch.py", "accelerate.commands.launch")


def use_all_cores(args: TrainingArguments, num_cpu_threads: int | None) -> None:
    """Give torch `num_cpu_threads` threads (None: this process's share of the cores).

    This replaces the OMP_NUM_THREADS=1 that `accelerate launch` exports, with which one core does all the work.
    """
    here = int(os.environ.get("LOCAL_WORLD_SIZE", args.world_size))
    torch.set_num_threads(num_cpu_threads or max(1, available_cores() // here))


def refuse_fewer_processes(args: TrainingArguments) -> None:
    """Check that as many processes work together as the launcher was asked for; fewer would train another model.

    Raises:
        InputError: fewer processes work together.
    """
    asked = int(os.environ.get("WORLD_SIZE", 1))
    if asked == 1:
        asked = num_launched_processes()
    if asked > args.world_size:
        raise InputError(
            f"{asked} processes were asked for, but {args.world_size} work together here. On a CPU, "
            "`accelerate launch --cpu` starts one process only: use "
            "`accelerate launch --config_file configs/accelerate/cpu-2.yaml` instead"
        )


def find_launcher() -> psutil.Process | None:
    """The process of `accelerate launch` that started this process; None if another program did, or none is seen."""
    try:
        parent = psutil.Process().parent()
        return parent if parent and launch_arguments(parent) is not None else None
    except psutil.Error:
        # A sandbox may hide the processes of others, and one may end while it is read.
        return None


def launch_arguments(process: psutil.Process) -> list[str] | None:
    """The arguments after `accelerate launch` in the command line of `process`; None if it is another program."""
    words = process.cmdline()
    start = next((index + 1 for index, word in enumerate(words[:3]) if word.endswith(LAUNCHERS)), None)
    if start is None:
        return None
    return words[start + 1 :] if words[start : start + 1] == ["launch"] else words[start:]


def num_launched_processes() -> int:
    """The number of processes that `accelerate launch` was asked for; 1 if it did not start this process."""
    process = find_launcher()
    if process is None:
        return 1
    parsed = launch_command_parser().parse_args(launch_arguments(process))
    if parsed.num_processes is not None:
        return parsed.num_processes
    file = parsed.config_file or (default_config_file if os.path.isfile(default_config_file) else None)
    return load_config_from_file(file).num_processes if file else 1

"""How many processes and threads there are, against how many were asked for."""

import os

import psutil
import torch
from accelerate.commands.config.config_args import default_config_file, load_config_from_file
from accelerate.commands.launch import launch_command_parser
from transformers import TrainingArguments

from sentiment_hf.errors import InputError

# How the command line of the launcher begins, behind the interpreter.
LAUNCHERS = ("accelerate", "accelerate-launch", "accelerate/commands/launch.py", "accelerate.commands.launch")


def use_all_cores(args: TrainingArguments, num_cpu_threads: int | None) -> None:
    """`accelerate launch` exports OMP_NUM_THREADS=1, which would leave all cores but one idle."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    torch.set_num_threads(num_cpu_threads or max(1, cores // args.world_size))


def refuse_fewer_processes(args: TrainingArguments) -> None:
    """A launch that was to start several processes and came down to fewer would train another model in silence.

    Raises:
        InputError: fewer processes work together than the launcher was told.
    """
    asked = int(os.environ.get("WORLD_SIZE", 1))
    if asked == 1:
        asked = processes_of_launcher()
    if asked != args.world_size:
        raise InputError(
            f"{asked} processes were asked for, but {args.world_size} work together here. On a CPU, "
            "`accelerate launch --cpu` starts one process only: use "
            "`accelerate launch --config_file configs/accelerate/cpu-2.yaml` instead"
        )


def processes_of_launcher() -> int:
    """What `accelerate launch` was told, where it started this process as its only one; else 1."""
    words = psutil.Process().parent().cmdline() if psutil.Process().parent() else []
    start = next((index + 1 for index, word in enumerate(words[:3]) if word.endswith(LAUNCHERS)), None)
    if start is None:
        return 1
    launch_args = words[start + 1 :] if words[start : start + 1] == ["launch"] else words[start:]
    parsed = launch_command_parser().parse_args(launch_args)
    if parsed.num_processes is not None:
        return parsed.num_processes
    file = parsed.config_file or (default_config_file if os.path.isfile(default_config_file) else None)
    return load_config_from_file(file).num_processes if file else 1

"""The device of a run: its kind and name, and the refusal of several GPUs in one process."""

from typing import TYPE_CHECKING

import torch

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.processor import processor_name

if TYPE_CHECKING:
    from transformers import TrainingArguments


def device_name(device: torch.device) -> str:
    """The name of the GPU or the processor."""
    module = None if device.type == "cpu" else torch.get_device_module(device)
    return module.get_device_name() if hasattr(module, "get_device_name") else processor_name()


def device_in_words(device: torch.device) -> str:
    """Kind and name: "cuda, NVIDIA A100"."""
    return f"{device.type}, {device_name(device)}"


def refuse_data_parallel(args: "TrainingArguments") -> None:
    """Check that a process has one GPU at most.

    `Trainer` would spread each batch over all GPUs with DataParallel, whose steps are made of more texts and another
    loss than the flags say.

    Raises:
        InputError: this process has several GPUs.
    """
    if args.n_gpu > 1:
        raise InputError(
            f"one process was started on {args.n_gpu} GPUs; start one for each, by `accelerate launch --multi_gpu "
            f"scripts/run.py ...` or `torchrun --nproc_per_node {args.n_gpu} scripts/run.py ...`, or use one GPU: "
            "CUDA_VISIBLE_DEVICES=0 in front of the command"
        )

"""Make the `TrainingArguments` of a run. This imports torch, so it is not part of the parser."""

from copy import copy

import torch
from transformers import TrainingArguments

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import AUTO, RunSpec
from sentiment_hf.training.sharding import require_deepspeed

# Two flags that this package handles itself and hides from `Trainer`. With push_to_hub, `Trainer` would create the
# repository before training and push unfinished models; with auto_find_batch_size, it would make smaller steps.
HIDDEN_FROM_TRAINER = {"push_to_hub": False, "auto_find_batch_size": False}


def training_arguments(spec: RunSpec) -> TrainingArguments:
    """`TrainingArguments` with the values of `spec.training`; the device is the CPU if there is no accelerator.

    --bf16 auto is no until `identify_run` has chosen.

    Raises:
        InputError: the library refuses a value, such as a precision that this machine does not support, or
            --auto_find_batch_size or --dp_epsilon is used with several processes; or DeepSpeed is asked for and not
            installed.
    """
    values = spec.training | HIDDEN_FROM_TRAINER
    if values["use_cpu"] is None:
        values["use_cpu"] = not torch.accelerator.is_available()
    if values["bf16"] == AUTO:
        values["bf16"] = False
    require_deepspeed(values)
    try:
        args = TrainingArguments(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise InputError(" ".join(str(error).split())) from error
    # `TrainingArguments` sets do_eval to true for every eval_strategy but "no".
    args.do_eval = spec.training["do_eval"]
    if spec.training["auto_find_batch_size"] and args.world_size > 1:
        raise InputError("--auto_find_batch_size is for one process: several would wait for one that starts again")
    if spec.run.dp_epsilon is not None and args.world_size > 1:
        raise InputError("--dp_epsilon is for one process: start it by `python scripts/run.py`")
    return args


# `halve_batches` changes the first three, `bound_steps` the last.
CHANGED = ("per_device_train_batch_size", "per_device_eval_batch_size", "gradient_accumulation_steps", "max_steps")


def as_given(args: TrainingArguments, spec: RunSpec) -> TrainingArguments:
    """A copy of `args` with the values that the user gave, for training_args.bin."""
    given = copy(args)
    vars(given).update({name: spec.training[name] for name in (*HIDDEN_FROM_TRAINER, *CHANGED)})
    return given

"""The `TrainingArguments` of a run, made where torch is needed and not before."""

import torch
from transformers import TrainingArguments

from sentiment_hf.common.errors import InputError
from sentiment_hf.settings.arguments import RunSpec

# `Trainer` would make the repository before anything is trained, and push what is half done; and it would answer a
# batch that does not fit by more and smaller steps. Both are done here, in another way.
DONE_HERE = {"push_to_hub": False, "auto_find_batch_size": False}


def training_arguments(spec: RunSpec) -> TrainingArguments:
    """The library's own object for the values of `spec.training`; on the CPU where there is no accelerator.

    Raises:
        InputError: values that only the library can refuse, such as a precision that this machine does not have.
    """
    values = spec.training | DONE_HERE
    if values["use_cpu"] is None:
        values["use_cpu"] = not torch.accelerator.is_available()
    try:
        args = TrainingArguments(**values)
    except (ValueError, TypeError, ImportError) as error:
        raise InputError(" ".join(str(error).split())) from error
    # The library sets it wherever there is an eval_strategy.
    args.do_eval = spec.training["do_eval"]
    if spec.training["auto_find_batch_size"] and args.world_size > 1:
        raise InputError("--auto_find_batch_size is for one process: others would wait for one that begins anew")
    return args

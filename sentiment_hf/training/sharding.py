"""FSDP and DeepSpeed: what accelerate leaves open between them and this program, and what is refused with them."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from accelerate import DistributedType, PartialState
from accelerate.utils import str_to_bool
from torch import nn
from torch.distributed.fsdp import FSDPModule
from transformers import Trainer, TrainingArguments

from sentiment_hf.common.errors import InputError, extra_explained
from sentiment_hf.settings.arguments import RunSpec


def asked_sharding(flags: Mapping[str, Any]) -> str | None:
    """What `accelerate launch` or a flag asks for: fsdp or deepspeed; None: each process has all weights."""
    for name in ("fsdp", "deepspeed"):
        if flags[name] or str_to_bool(os.environ.get(f"ACCELERATE_USE_{name.upper()}", "false")):
            return name
    return None


def require_deepspeed(flags: Mapping[str, Any]) -> None:
    """Raise InputError if DeepSpeed is asked for and not installed."""
    if asked_sharding(flags) == "deepspeed":
        with extra_explained("deepspeed"):
            import deepspeed  # noqa: F401


@contextmanager
def fsdp_on_cpus(args: TrainingArguments) -> Iterator[None]:
    """Let FSDP shard on CPUs too, where an accelerator that is made within the block would train with DDP, unsaid.

    accelerate asks for FSDP only where the processes have GPUs; all that follows works by gloo as well.
    """
    state = PartialState()
    if asked_sharding(vars(args)) == "fsdp" and state.distributed_type == DistributedType.MULTI_CPU:
        state.distributed_type = DistributedType.MULTI_GPU
    yield


def name_as_before(model: nn.Module) -> None:
    """Give the class that FSDP made of that of a model the name and the module of that.

    transformers writes both into config.json, and copies the file of the module beside it.
    """
    made = type(model)
    if isinstance(model, FSDPModule):
        original = made.__bases__[1]
        made.__name__, made.__qualname__ = original.__name__, original.__qualname__
        made.__module__ = original.__module__


def choose_layers(trainer: Trainer) -> None:
    """Let FSDP share out the layers that the model names, unless the launch names others.

    Some models name the class around the embedding too. accelerate shares out the embedding by itself, and fails at
    weights that are shared out already.
    """
    plugin, model = trainer.accelerator.state.fsdp_plugin, trainer.model
    if plugin.transformer_cls_names_to_wrap is None:
        table = model.get_input_embeddings()
        around = {
            type(outer).__name__ for outer in model.modules() if any(inner is table for inner in outer.modules())
        }
        plugin.transformer_cls_names_to_wrap = [name for name in model._no_split_modules or () if name not in around]


def refuse_unshardable(trainer: Trainer, spec: RunSpec) -> None:
    """Check that FSDP or DeepSpeed can train this run, and that its checkpoints would be whole.

    Raises:
        InputError: a setting of the launch, a flag or the model does not go with them.
    """
    if trainer.is_fsdp_enabled:
        refuse_settings_of_fsdp(trainer)
        refuse_layers(trainer.model)
        choose_layers(trainer)
    elif trainer.is_deepspeed_enabled:
        refuse_settings_of_deepspeed(trainer)
    else:
        return
    name = "FSDP" if trainer.is_fsdp_enabled else "DeepSpeed"
    used = {"--ema": spec.run.ema is not None, "--adversarial": spec.run.adversarial}
    used["--merge_adapter"] = spec.tuning.merge_adapter
    if flags := [flag for flag, is_used in used.items() if is_used]:
        raise InputError(
            f"{flags[0]} needs whole weights in each process, and {name} shares them out; leave it out, or launch "
            "with configs/accelerate/ddp-gpus.yaml"
        )


def refuse_settings_of_fsdp(trainer: Trainer) -> None:
    """Raise InputError for the old FSDP, and for parts of checkpoints that nothing else could load."""
    plugin = trainer.accelerator.state.fsdp_plugin
    if plugin.fsdp_version != 2:
        raise InputError(
            f"fsdp_version: {plugin.fsdp_version} of the launch is not supported; take configs/accelerate/fsdp.yaml, "
            "which has fsdp_version: 2"
        )
    if (kind := plugin.state_dict_type.name) != "FULL_STATE_DICT":
        raise InputError(
            f"fsdp_state_dict_type: {kind} of the launch would save no model that can be loaded; take "
            "FULL_STATE_DICT, as configs/accelerate/fsdp.yaml does"
        )


def refuse_layers(model: nn.Module) -> None:
    """Raise InputError if a layer keeps its weights where FSDP cannot exchange them."""
    if any(isinstance(layer, nn.RNNBase) for layer in model.modules()):
        raise InputError(
            f"FSDP cannot share out the recurrent layers of {model.config.model_type}; launch with "
            "configs/accelerate/ddp-gpus.yaml"
        )


def refuse_settings_of_deepspeed(trainer: Trainer) -> None:
    """Raise InputError if ZeRO-3 would save no model."""
    plugin = trainer.accelerator.state.deepspeed_plugin
    zero = plugin.deepspeed_config["zero_optimization"]
    if zero["stage"] == 3 and not zero.get("stage3_gather_16bit_weights_on_model_save"):
        raise InputError(
            "ZeRO-3 would save no model that can be loaded; add zero3_save_16bit_model: true to the file of the "
            "launch, as configs/accelerate/deepspeed-zero3.yaml does"
        )

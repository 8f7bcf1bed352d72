"""Weights of which several processes hold a part each: those of FSDP, and of ZeRO-3 of DeepSpeed."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn
from torch.distributed.fsdp import FSDPModule
from torch.distributed.tensor import DTensor, Replicate, distribute_tensor


@contextmanager
def editable(model: nn.Module, layers: Iterable[nn.Module]) -> Iterator[None]:
    """Within the block, the weights of `layers` can be changed in place, by all processes alike.

    After a pass, modules of FSDP may hold whole weights, which are copies. The weights of ZeRO-3 are empty, or copies,
    unless they are gathered; the changes of the first process are then given to all.
    """
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.reshard()
    weights = [weight for layer in layers for weight in layer.parameters()]
    if not any(hasattr(weight, "ds_id") for weight in weights):
        yield
        return
    # Only DeepSpeed, which is installed then, gives a weight this attribute.
    from deepspeed.runtime.zero import GatheredParameters

    with GatheredParameters(weights, modifier_rank=0):
        yield


def in_all_processes(values: Tensor, weight: Tensor) -> Tensor:
    """`values` with the type and the device of `weight`, such that the two can be multiplied if that is sharded."""
    values = values.to(weight.device, weight.dtype)
    if not isinstance(weight, DTensor):
        return values
    return distribute_tensor(values, weight.device_mesh, [Replicate()] * weight.device_mesh.ndim)


def size_of(weight: Tensor) -> int:
    """How many numbers a weight has in all processes together. ZeRO-3 leaves an empty tensor in its place."""
    return getattr(weight, "ds_numel", weight.numel())

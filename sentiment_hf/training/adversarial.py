"""Adversarial training (Miyato, Dai & Goodfellow 2017): a text is learned twice, once with its word vectors moved.

They are moved in the direction in which the loss grows most, all vectors of a text together by a fixed length.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

# The vectors of the paper have 256 numbers, and its lengths of a perturbation are for these.
PAPER_SIZE = 256


def adversarial_step(
    embedding: nn.Module, epsilon: float, step: Callable[[], Tensor], alone: AbstractContextManager
) -> Tensor:
    """Make two passes of the `step`, of which each adds its gradients, and return the loss of the first.

    The second sees the outputs of `embedding` moved by `epsilon` for vectors of 256 numbers, and by as much for each
    number of others. The length is in standard deviations of the numbers over the tokens of the batch, so that the
    model cannot escape by longer vectors; the paper normalises the vectors themselves.

    alone: entered for the first pass, whose gradients other processes need not get yet.
    """
    with alone, watched(embedding) as outputs:
        loss = step()
    with moved(embedding, worst_move(outputs, epsilon)):
        step()
    return loss


def worst_move(outputs: list[Tensor], epsilon: float) -> Tensor:
    """(batch, length, size): the move of a text along the gradients of its vectors; 0 at padding, which has none."""
    (vectors,) = outputs
    gradient = vectors.grad.float()
    tokens = gradient.abs().sum(-1) > 0
    spread = vectors.detach().float()[tokens].std(0, correction=0)
    direction = gradient * spread
    length = direction.flatten(1).norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    of_paper = epsilon * (vectors.shape[-1] / PAPER_SIZE) ** 0.5
    return (of_paper * spread * direction / length.view(-1, 1, 1)).to(vectors.dtype)


@contextmanager
def watched(embedding: nn.Module) -> Iterator[list[Tensor]]:
    """The list to which the outputs of `embedding` within the block are added; they keep their gradients."""
    outputs = []

    def keep(module: nn.Module, inputs: tuple, output: Tensor) -> Tensor:
        if not output.requires_grad:
            output = output.detach().requires_grad_()
        output.retain_grad()
        outputs.append(output)
        return output

    handle = embedding.register_forward_hook(keep)
    try:
        yield outputs
    finally:
        handle.remove()


@contextmanager
def moved(embedding: nn.Module, move: Tensor) -> Iterator[None]:
    """Add `move` to the output of `embedding` within the block."""
    handle = embedding.register_forward_hook(lambda module, inputs, output: output + move)
    try:
        yield
    finally:
        handle.remove()

"""Adversarial training (Miyato, Dai & Goodfellow 2017): a text is learned twice, once with its word vectors moved.

They are moved in the direction in which the loss grows most, all vectors of a text together by a fixed length.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from sentiment_hf.common.errors import InputError

# The vectors of the paper have 256 numbers, and its lengths of a perturbation are for these.
PAPER_SIZE = 256

# The first, random move of virtual adversarial training, as a share of the final one: as in the code of the paper.
SMALL_MOVE = 0.02


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


def virtual_loss(
    embedding: nn.Module,
    epsilon: float,
    forward: Callable[[], Tensor],
    vectors: Tensor,
    logits: Tensor,
    divergence: Callable[[Tensor, Tensor], Tensor],
) -> Tensor:
    """(batch,): how far the outputs go from `logits` if word vectors are moved where they change most.

    It needs no labels (virtual adversarial training, Miyato et al. 2017, equations 5 to 7): the direction is that of
    the gradient of the divergence at a small random move.

    forward: returns the logits of the batch, with the same dropout each time. vectors: the output of `embedding`.
    """
    logits, vectors = logits.detach(), vectors.detach()
    small = scaled(torch.randn_like(vectors), vectors, SMALL_MOVE * epsilon).requires_grad_()
    with moved(embedding, small):
        (gradient,) = torch.autograd.grad(divergence(logits, forward()).sum(), small)
    with moved(embedding, scaled(gradient, vectors, epsilon)):
        return divergence(logits, forward())


def worst_move(outputs: list[Tensor], epsilon: float) -> Tensor:
    """(batch, length, size): the move of a text along the gradients of its vectors; 0 at padding, which has none."""
    vectors = the_only(outputs)
    return scaled(vectors.grad, vectors.detach(), epsilon)


def the_only(outputs: list[Tensor]) -> Tensor:
    """The vectors of the words of a batch. Raises InputError if the model reads them otherwise, or several times."""
    if len(outputs) != 1:
        raise InputError(
            f"--adversarial moves the vectors of words, and this model looks them up {len(outputs)} times in a pass; "
            "leave it out"
        )
    return outputs[0]


def scaled(gradient: Tensor, vectors: Tensor, epsilon: float) -> Tensor:
    """(batch, length, size) moves along a gradient with the length that `adversarial_step` says.

    The standard deviations are over the tokens at which the gradient is not 0, which leaves out padding.
    """
    gradient = gradient.float()
    tokens = gradient.abs().sum(-1) > 0
    if not tokens.any():
        # Nothing changes the loss, as where all word types of the texts are dropped.
        return torch.zeros_like(vectors)
    spread = vectors.float()[tokens].std(0, correction=0)
    direction = gradient * spread
    length = direction.flatten(1).norm(dim=1).clamp(min=torch.finfo(torch.float32).tiny)
    of_paper = epsilon * (vectors.shape[-1] / PAPER_SIZE) ** 0.5
    return (of_paper * spread * direction / length.view(-1, 1, 1)).to(vectors.dtype)


def repeated(forward: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """`forward` with the random numbers from here on, each time anew: the same dropout in each pass."""
    sources = [torch, *([torch.cuda] if torch.cuda.is_available() else [])]
    states = [source.get_rng_state() for source in sources]

    def again() -> Tensor:
        now = [source.get_rng_state() for source in sources]
        for source, state in zip(sources, states, strict=True):
            source.set_rng_state(state)
        try:
            return forward()
        finally:
            for source, state in zip(sources, now, strict=True):
                source.set_rng_state(state)

    return again


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

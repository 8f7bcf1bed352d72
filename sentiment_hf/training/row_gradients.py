"""The gradient of each text of a batch, clipped, and the sum of these: what private training may see of its texts.

Opacus keeps the gradient of each text for each layer (per-sample gradients, Goodfellow 2015). For a table of vectors
that would take rows x tokens x size numbers, of which a text changes few, so tables are done here by the tokens that
stand in a text.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import torch
from opacus.grad_sample.grad_sample_module import GradSampleHooks
from opacus.layers import DPGRU, DPLSTM, DPRNN
from torch import Tensor, nn

from sentiment_hf.common.errors import InputError

# The layer of opacus that computes what a fused one does, step by step, with the same weights.
STEPWISE = {nn.RNN: DPRNN, nn.GRU: DPGRU, nn.LSTM: DPLSTM}
# How far the sum of the gradients of the texts may be from the gradient of their sum, as a share of it.
TOLERANCE = 1e-3


class LayerHooks(GradSampleHooks):
    """The hooks of opacus on all trained layers but tables of vectors."""

    def iterate_submodules(self, module: nn.Module) -> Iterator[nn.Module]:
        """Yield the layers that get hooks."""
        return (layer for layer in super().iterate_submodules(module) if not isinstance(layer, nn.Embedding))


class TableGradients:
    """The gradients of the vectors of a table, text by text, of one batch."""

    def __init__(self, table: nn.Embedding):
        self.table, self.is_on = table, False
        self.uses: list[tuple[Tensor, Tensor]] = []
        table.register_forward_hook(self.watch)

    def watch(self, table: nn.Embedding, inputs: tuple[Tensor], output: Tensor) -> None:
        """Keep the gradient of the vectors that are taken from the table."""
        if self.is_on and output.requires_grad:
            output.register_hook(partial(self.keep, inputs[0]))

    def keep(self, ids: Tensor, gradient: Tensor) -> None:
        """(batch, ...) ids, (batch, ..., size) gradient of their vectors."""
        self.uses.append((ids.flatten(1), gradient.flatten(1, -2)))

    def by_token(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        """(pairs,) rows and ids of the tokens that stand in a text, and (pairs, size) the gradient of each."""
        uses, self.uses = self.uses, []
        if any(len(ids) != rows for ids, _ in uses) or not uses:
            raise ValueError("its vectors are not taken by the ids of each text")
        ids, gradient = (torch.cat(parts, 1) for parts in zip(*uses, strict=True))
        tokens = self.table.num_embeddings
        places = (torch.arange(rows, device=ids.device).unsqueeze(1) * tokens + ids).flatten()
        pairs, of_pair = places.unique(return_inverse=True)
        gradient = gradient.flatten(0, 1)
        if self.table.padding_idx is not None:
            gradient = gradient.masked_fill((ids == self.table.padding_idx).view(-1, 1), 0)
        summed = gradient.new_zeros(len(pairs), gradient.shape[1]).index_add_(0, of_pair, gradient)
        return pairs // tokens, pairs % tokens, summed


class RowGradients:
    """Watches the trained weights of a model: `{name: sum of clipped gradients}` of one batch after the other.

    Recurrent layers compute step by step within `watching`, with the same weights; a checkpoint knows nothing of it.
    """

    def __init__(self, model: nn.Module):
        self.trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
        tables = (layer for layer in model.modules() if isinstance(layer, nn.Embedding))
        self.tables = {table.weight: TableGradients(table) for table in tables if table.weight.requires_grad}
        self.model, self.is_exact = model, False
        self.stepwise = [
            (parent, name, stepwise_layer(layer))
            for parent in model.modules()
            for name, layer in parent.named_children()
            if isinstance(layer, nn.RNNBase)
        ]
        with self.swapped():
            self.hooks = LayerHooks(model, batch_first=True, loss_reduction="sum", strict=False)
        self.switch(False)

    @property
    def kept_numbers(self) -> int:
        """How many numbers are kept for each text of a batch."""
        return sum(weight.numel() for weight in self.trained.values() if weight not in self.tables)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block, the gradient of each text is kept."""
        self.switch(True)
        try:
            with self.swapped():
                yield
        finally:
            self.switch(False)

    def switch(self, on: bool) -> None:
        """Turn all hooks on or off."""
        self.hooks.hooks_enabled = on
        for table in self.tables.values():
            table.is_on = on

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """Within the block, the model has the layers of opacus in the place of its recurrent ones."""
        before = [getattr(parent, name) for parent, name, _ in self.stepwise]
        try:
            for parent, name, layer in self.stepwise:
                setattr(parent, name, layer)
            yield
        finally:
            for (parent, name, _), layer in zip(self.stepwise, before, strict=True):
                setattr(parent, name, layer)

    def clipped(self, rows: int, limit: float) -> dict[str, Tensor]:
        """After the pass backward from the sum of the losses of `rows` texts: the sums of their gradients.

        The gradient of each text, over all weights together, is first shortened to the length `limit`.

        Raises:
            InputError: a weight does not know what each text adds to its gradient.
        """
        kept, squares = {}, torch.zeros(rows, device=next(iter(self.trained.values())).device)
        for name, weight in self.trained.items():
            if weight.grad is None:
                # The model does not use it.
                continue
            kept[name] = self.of_rows(name, weight, rows)
            found, _, gradient = kept[name]
            squares.index_add_(0, found, gradient.flatten(1).square().sum(1))
        if not self.is_exact:
            self.require_exact(kept)
        share = (limit / squares.sqrt()).clamp(max=1)
        return {name: self.summed(name, share[found], *rest) for name, (found, *rest) in kept.items()}

    def of_rows(self, name: str, weight: nn.Parameter, rows: int) -> tuple[Tensor, Tensor | None, Tensor]:
        """(found,) rows, (found,) lines of a table or None for a whole weight, (found, ...) the gradient of each."""
        try:
            if weight in self.tables:
                return self.tables[weight].by_token(rows)
            gradient, weight.grad_sample = weight.grad_sample, None
            if gradient is None or len(gradient) != rows:
                raise ValueError("its layer does not compute row by row")
        except (ValueError, IndexError, RuntimeError) as error:
            raise not_row_by_row(name, error) from error
        return torch.arange(rows, device=gradient.device), None, gradient

    def summed(self, name: str, share: Tensor, lines: Tensor | None, gradient: Tensor) -> Tensor:
        """The sum over texts of a `share` (found,) of the gradient of each, in the shape of the weight."""
        if lines is None:
            return torch.tensordot(share, gradient, 1)
        whole = torch.zeros_like(self.trained[name])
        return whole.index_add_(0, lines, gradient * share.unsqueeze(1))

    def require_exact(self, kept: dict[str, tuple]) -> None:
        """Raise InputError if the gradients of the texts are not, in sum, the gradient that torch computes."""
        for name, (found, *rest) in kept.items():
            whole = self.trained[name].grad
            gap = self.summed(name, torch.ones_like(found, dtype=whole.dtype), *rest) - whole
            if gap.norm() > TOLERANCE * whole.norm() + 1e-6:
                raise not_row_by_row(name, "their sum is not the gradient of the batch")
        self.is_exact = True


def stepwise_layer(layer: nn.RNNBase) -> nn.Module:
    """The layer of opacus with the weights of one layer and direction: the same objects, not copies."""
    kind = next(ours for theirs, ours in STEPWISE.items() if isinstance(layer, theirs))
    stepwise = kind(layer.input_size, layer.hidden_size, batch_first=True)
    (cell,) = stepwise.cells
    for part in ("ih", "hh"):
        for name in ("weight", "bias"):
            weight = getattr(layer, f"{name}_{part}_l0")
            setattr(getattr(cell, part), name, weight)
            stepwise.register_parameter(f"{name}_{part}_l0", weight)
    return stepwise


def not_row_by_row(name: str, reason: object) -> InputError:
    """The error for a weight whose gradient cannot be told apart by texts."""
    return InputError(
        f"--dp_epsilon: what each text adds to the gradient of {name} is not known ({reason}); take another --model "
        "or --model_config, or --tuning head"
    )

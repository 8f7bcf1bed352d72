"""The output layer of a regression, which learns numbers with mean 0 and scale 1 and gives them in their own unit."""

import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from sentiment_hf.common.errors import InputError
from sentiment_hf.models.head import output_layers
from sentiment_hf.models.sharded import editable
from sentiment_hf.tasks.regression import Regression


class ScaledLinear(nn.Linear):
    """A linear layer whose output is multiplied by `scale`, to which `mean` is added.

    Otherwise the head would first have to learn the mean, in as many steps as it has distance to go, and a learning
    rate that fits stars would not fit prices.
    """

    # Without a bias, which takes up the mean in the end, the mean is 0.
    mean: float
    scale: float

    def forward(self, features: Tensor) -> Tensor:
        """(..., features) -> (..., 1) float32, for under autocast a large number would lose its digits."""
        return super().forward(features).float() * self.scale + self.mean

    @torch.no_grad()
    def fold(self) -> None:
        """Move mean and scale into the weights; the output stays the same."""
        self.weight.mul_(self.scale)
        if self.bias is not None:
            self.bias.mul_(self.scale).add_(self.mean)
        self.mean, self.scale = 0.0, 1.0

    @torch.no_grad()
    def unfold(self) -> None:
        """Take mean and scale out of weights that have them."""
        self.weight.div_(self.scale)
        if self.bias is not None:
            self.bias.sub_(self.mean).div_(self.scale)


def standardise_output(model: PreTrainedModel | PeftModel, task: Regression, is_trained: bool) -> None:
    """Make the output layer of the model a `ScaledLinear` with the mean and the scale of the task.

    A head that `is_trained` gives the same numbers as before; a new one begins near the mean.

    Raises InputError if the model has no linear output layer.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    for name in output_layers(inner):
        layers = [layer for layer in inner.get_submodule(name).modules() if isinstance(layer, nn.Linear)]
        if not layers:
            raise InputError(f"--task regression: the output layer {name} of this model is not linear")
        for layer in layers:
            layer.__class__ = ScaledLinear
            layer.mean, layer.scale = (task.mean if layer.bias is not None else 0.0), task.scale
            if is_trained:
                layer.unfold()


def fold_output(model: nn.Module) -> None:
    """Let the output layer give numbers in the unit of the data by itself, so that any program can load it."""
    layers = [layer for layer in model.modules() if isinstance(layer, ScaledLinear)]
    with editable(model, layers):
        for layer in layers:
            layer.fold()

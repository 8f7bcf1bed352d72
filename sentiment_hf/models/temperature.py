"""Divides the logits of a model by temperatures, in the weights of its output layer, so that all programs get them."""

from collections.abc import Callable

import numpy as np
import torch
from peft import PeftModel
from torch import Tensor, nn
from transformers import PreTrainedModel

from sentiment_hf.models.head import output_layers
from sentiment_hf.models.sharded import editable, in_all_processes


@torch.no_grad()
def divide_logits(
    model: PreTrainedModel | PeftModel,
    temperatures: np.ndarray,
    logits: Callable[[], Tensor],
    tempered: Callable[[Tensor], Tensor],
    tolerance: float = 1e-3,
) -> bool:
    """Divide the rows of the output layer by (outputs,) temperatures; returns whether the logits now are as expected.

    A model that does more with the outputs of that layer, or that has several or an adapted one, is left as it was.

    logits: returns the (rows, outputs) logits of some texts. tempered: what they become. tolerance: how exact they
    are.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    layers = [
        layer
        for name in output_layers(inner)
        for layer in inner.get_submodule(name).modules()
        if isinstance(layer, nn.Linear)
    ]
    if any(layer.out_features != len(temperatures) for layer in layers):
        return False
    before = logits()
    with editable(model, layers):
        saved = [[weight.clone() for weight in layer.parameters()] for layer in layers]
        for layer in layers:
            divisors = in_all_processes(torch.tensor(temperatures), layer.weight)
            layer.weight.div_(divisors.unsqueeze(1))
            if layer.bias is not None:
                layer.bias.div_(divisors)
    if torch.allclose(logits(), tempered(before).to(before), rtol=tolerance, atol=tolerance):
        return True
    with editable(model, layers):
        for layer, weights in zip(layers, saved, strict=True):
            for weight, value in zip(layer.parameters(), weights, strict=True):
                weight.copy_(value)
    return False

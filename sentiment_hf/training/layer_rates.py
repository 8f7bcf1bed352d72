"""Smaller learning rates for lower layers (--layer_lr_decay): Howard & Ruder 2018, section 3.2; Sun et al. 2019.

What lies near the input of a pretrained model is general and should move little, and a new head should move most.
"""

import re
from itertools import groupby

from torch import nn
from torch.optim import Optimizer

# The layers of one depth have a number in their names: bert.encoder.layer.3., layers.0., backward_cells.0.
LAYER = re.compile(r"(?:^|\.)(?:layers?|h|blocks?|block|forward_cells|backward_cells)\.(\d+)\.")


def layer_depths(model: nn.Module) -> dict[str, int]:
    """{name of a weight: depth}: 0 for what comes before the numbered layers, then the layers, then the rest.

    In a model without numbered layers, the table of embeddings has the depth 0, and the rest has 1.
    """
    names = [name for name, _ in model.named_parameters()]
    numbers = {name: int(found[1]) for name in names if (found := LAYER.search(name))}
    top = max(numbers.values(), default=-1) + 2
    if not numbers:
        table = {id(weight) for weight in model.get_input_embeddings().parameters()}
        return {name: 0 if id(weight) in table else top for name, weight in model.named_parameters()}
    first = names.index(next(iter(numbers)))
    return {name: numbers[name] + 1 if name in numbers else 0 if i < first else top for i, name in enumerate(names)}


def decay_rates(optimizer: Optimizer, model: nn.Module, decay: float) -> None:
    """Split the groups of the optimizer by depth, the deepest first: each depth has `decay` times the rate above it.

    The rate of the deepest layers, which is logged, stays. Call it before a scheduler is made.
    """
    depths = layer_depths(model)
    of_weight = {id(weight): depths[name] for name, weight in model.named_parameters()}
    top, split = max(depths.values()), []
    for group in optimizer.param_groups:
        ordered = sorted(group["params"], key=lambda weight: -of_weight[id(weight)])
        for depth, weights in groupby(ordered, key=lambda weight: of_weight[id(weight)]):
            split.append(group | {"params": list(weights), "lr": group["lr"] * decay ** (top - depth)})
    optimizer.param_groups = sorted(split, key=lambda group: -group["lr"])

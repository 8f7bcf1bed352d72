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
    """{name of a weight: depth}: 0 for embeddings and what comes before numbered layers, then the layers, the rest.

    Layers of several stacks, such as those over words and those over sentences, lie one stack above the other; both
    directions of a recurrent layer have one depth.
    """
    names = [name for name, _ in model.named_parameters()]
    layers = {name: key for name in names if (key := layer_of(name))}
    order = {key: depth for depth, key in enumerate(dict.fromkeys(layers.values()), start=1)}
    top = len(order) + 1
    first = names.index(next(iter(layers))) if layers else 0
    table = {id(weight) for weight in model.get_input_embeddings().parameters()}
    embeddings = {name for name, weight in model.named_parameters() if id(weight) in table or "embed" in name}
    return {
        name: order[layers[name]] if name in layers else 0 if name in embeddings or place < first else top
        for place, name in enumerate(names)
    }


def layer_of(name: str) -> tuple[str, int] | None:
    """(the stack, the number in it) of the layer that a weight is in; None if it is in none."""
    name = name.replace("backward_cells", "forward_cells")
    found = LAYER.search(name)
    return (name[: found.start(1)], int(found[1])) if found else None


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

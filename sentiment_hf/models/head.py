"""The head of a classifier, as the model itself tells it: the layers behind its body, and those with a row a class."""

import copy

import torch
from peft import PeftModel
from peft.utils import ModulesToSaveWrapper
from transformers import PreTrainedModel

from custom_models import MODEL_NAMES


def head_modules(model: PreTrainedModel) -> list[str]:
    """Names of the layers behind the encoder, and of its pooler: many checkpoints bring none, or one never trained."""
    if model.config.model_type in MODEL_NAMES:
        return ["classifier"]
    behind = [name for name, part in model.named_children() if part is not model.base_model and [*part.parameters()]]
    poolers = [name for name, _ in model.base_model.named_children() if name == "pooler"]
    return [*behind, *(f"{model.base_model_prefix}.{name}" for name in poolers if model.base_model.pooler is not None)]


def output_layers(model: PreTrainedModel) -> list[str]:
    """Names of the layers that have a row of weights for each class.

    The model is built twice more, without memory for its weights, the second time for one class more: these are the
    layers whose weights differ in shape.
    """
    few, many = (weight_shapes(model, model.config.num_labels + more) for more in (0, 1))
    return list(dict.fromkeys(name.rpartition(".")[0] for name, shape in few.items() if many[name] != shape))


def weight_shapes(model: PreTrainedModel, num_labels: int) -> dict[str, torch.Size]:
    """By name, the shapes that the weights of this model have with `num_labels` classes."""
    config = copy.deepcopy(model.config)
    config.num_labels = num_labels
    with torch.device("meta"):
        return {name: weight.shape for name, weight in type(model)(config).named_parameters()}


@torch.no_grad()
def renew_classifier(model: PreTrainedModel | PeftModel) -> None:
    """Fresh weights in the output layers, whose rows stand for other classes than those of the data.

    They are initialised as the model initialises a head that its checkpoint lacks.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    for name in output_layers(inner):
        layer = inner.get_submodule(name)
        # An adapter holds the layer twice: as its base had it, and as it is trained.
        layer = layer.modules_to_save["default"] if isinstance(layer, ModulesToSaveWrapper) else layer
        for weight in layer.parameters():
            # The library marks what it has loaded, and initialises nothing that has the mark.
            weight._is_hf_initialized = False
        inner._init_weights(layer)

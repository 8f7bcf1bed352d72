"""Find the head of a classifier in any model: its layers, and the ones whose weights have a row for each class."""

import copy

import torch
from peft import PeftModel
from peft.utils import ModulesToSaveWrapper
from transformers import PreTrainedModel

from custom_models import MODEL_NAMES, WRAPPED


def head_modules(model: PreTrainedModel) -> list[str]:
    """Names of the layers behind the encoder, and of the encoder's pooler.

    The pooler counts as head because many checkpoints have no pooler, or one that was never trained.
    """
    own = ["columns", "classifier"] if getattr(model.config, "reads_columns", False) else ["classifier"]
    if model.config.model_type == WRAPPED:
        return [*own, *(f"inner.{name}" for name in head_modules(model.inner))]
    if model.config.model_type in MODEL_NAMES:
        return own
    behind = [name for name, part in model.named_children() if part is not model.base_model and [*part.parameters()]]
    poolers = [name for name, _ in model.base_model.named_children() if name == "pooler"]
    return [*behind, *(f"{model.base_model_prefix}.{name}" for name in poolers if model.base_model.pooler is not None)]


def output_layers(model: PreTrainedModel) -> list[str]:
    """Names of the layers that have a row of weights for each class.

    They are the layers whose weights change in shape when the model has one class more.
    """
    few, many = (weight_shapes(model, model.config.num_labels + more) for more in (0, 1))
    return list(dict.fromkeys(name.rpartition(".")[0] for name, shape in few.items() if many[name] != shape))


def weight_shapes(model: PreTrainedModel, num_labels: int) -> dict[str, torch.Size]:
    """The shape of each weight, by name, if the model had `num_labels` classes; no memory is used for the weights."""
    config = copy.deepcopy(model.config)
    config.num_labels = num_labels
    with torch.device("meta"):
        return {name: weight.shape for name, weight in type(model)(config).named_parameters()}


@torch.no_grad()
def renew_classifier(model: PreTrainedModel | PeftModel) -> None:
    """Initialise the output layers again, because their rows belong to classes other than those of the data.

    The model's own `_init_weights` does it, as for a checkpoint without a head.
    """
    inner = model.get_base_model() if isinstance(model, PeftModel) else model
    for name in output_layers(inner):
        layer = inner.get_submodule(name)
        # peft holds the layer twice: the base's original and a copy that is trained.
        layer = layer.modules_to_save["default"] if isinstance(layer, ModulesToSaveWrapper) else layer
        for weight in layer.parameters():
            # transformers marks each weight that it loaded, and `_init_weights` skips a marked weight.
            weight._is_hf_initialized = False
        inner._init_weights(layer)

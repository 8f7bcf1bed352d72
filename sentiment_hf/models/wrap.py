"""A pretrained classifier under a head of ours, which joins columns beside the text or knows an order of classes."""

from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from custom_models import OWN_CODE
from custom_models.wrapped import WrappedConfig
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.models.checkpoint import has_corn_head, label_names
from sentiment_hf.models.head import output_layers
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.tasks.task import Task

# Fields of a config that belong to the head, or that the new model has for itself.
OUTER = {"dtype", "id2label", "label2id", "architectures", "problem_type"}


def under_our_head(
    model: PreTrainedModel, ref: ModelRef, columns: ColumnSchema | None, task: Task, trains: bool
) -> PreTrainedModel:
    """The model of `ref` as it reads `columns` and learns the task: wrapped if its own head cannot, else as it is.

    Raises:
        InputError: the model reads other columns, or cannot be wrapped.
    """
    known = ColumnSchema.of_config(model.config.to_dict())
    if known and known != columns:
        raise InputError(
            f"{ref.flag} {ref.name} reads columns beside the text: give --extra_column_names {','.join(known.names)}"
        )
    new_columns = columns is not None and known != columns
    new_order = has_corn_head(task) and model.config.model_type not in OWN_CODE
    if not new_columns and not new_order:
        return model
    refuse_unwrappable(model, ref, trains, new_columns)
    settings = columns.settings if columns else {}
    return wrapped(model, ref, label_names(task.labels) | settings | {"ordinal": has_corn_head(task)})


def refuse_unwrappable(model: PreTrainedModel, ref: ModelRef, trains: bool, new_columns: bool) -> None:
    """Raise InputError unless the model is one of transformers that is trained; `new_columns`: for their sake."""
    begin = f"{'--extra_column_names' if new_columns else '--ordinal_head corn'}: {ref.flag} {ref.name}"
    trained = "trained on texts alone" if new_columns else "trained with another head"
    instead = "--columns_as_text" if new_columns else "--ordinal_head classes"
    if not trains:
        raise InputError(f"{begin} was {trained}; leave the flag out, or add --do_train")
    if ref.kind is Kind.ADAPTER:
        raise InputError(f"{begin} is an adapter, {trained}; name its base, or merge it first")
    if model.config.model_type in OWN_CODE:
        raise InputError(f"{begin} was {trained}, and has no layer for columns; train a new model")
    if not type(model).__module__.startswith("transformers."):
        raise InputError(f"{begin} comes with code of its own, which would not be saved; try {instead}")


def wrapped(inner: PreTrainedModel, ref: ModelRef, settings: dict) -> PreTrainedModel:
    """A `WrappedForSequenceClassification` with the weights of `inner`, which loses its output layer."""
    layers = output_layers(inner)
    layer = inner.get_submodule(layers[0]) if len(layers) == 1 else None
    if not isinstance(layer, nn.Linear):
        raise InputError(
            f"{ref.flag} {ref.name} has no single linear layer of class scores, in whose place a head of ours could "
            "stand; try --columns_as_text or --ordinal_head classes"
        )
    inner.set_submodule(layers[0], nn.Identity())
    own = {name: value for name, value in inner.config.to_diff_dict().items() if name not in OUTER}
    shared = {name: getattr(inner.config, name, None) for name in ("hidden_size", "max_position_embeddings")}
    config = WrappedConfig(
        inner=own | {"model_type": inner.config.model_type},
        output_layer=layers[0],
        num_features=layer.in_features,
        pad_token_id=inner.config.pad_token_id,
        **shared,
        **settings,
    )
    model = AutoModelForSequenceClassification.from_config(config)
    model.inner.load_state_dict(inner.state_dict())
    return model

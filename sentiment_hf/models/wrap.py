"""A pretrained classifier that reads columns beside the text: its features, joined with them, under a new head."""

from torch import nn
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from custom_models import OWN_CODE
from custom_models.wrapped import WrappedConfig
from sentiment_hf.common.errors import InputError
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.models.head import output_layers
from sentiment_hf.settings.model_ref import Kind, ModelRef

# Fields of a config that belong to the head, or that the new model has for itself.
OUTER = {"dtype", "id2label", "label2id", "architectures", "problem_type"}


def with_columns(
    model: PreTrainedModel, ref: ModelRef, columns: ColumnSchema | None, trains: bool, names: dict[str, dict]
) -> PreTrainedModel:
    """The model of `ref` as it reads `columns`: wrapped if it was trained on texts alone, else as it is.

    names: id2label and label2id.

    Raises:
        InputError: the model reads other columns, or cannot be wrapped.
    """
    known = ColumnSchema.of_config(model.config.to_dict())
    if known == columns:
        return model
    if known:
        raise InputError(
            f"{ref.flag} {ref.name} reads columns beside the text: give --extra_column_names {','.join(known.names)}"
        )
    refuse_unwrappable(model, ref, trains)
    return wrapped(model, ref, names | columns.settings)


def refuse_unwrappable(model: PreTrainedModel, ref: ModelRef, trains: bool) -> None:
    """Raise InputError unless the model is one of transformers that is trained."""
    begin = f"--extra_column_names: {ref.flag} {ref.name}"
    if not trains:
        raise InputError(f"{begin} was trained on texts alone; leave the flag out, or add --do_train")
    if ref.kind is Kind.ADAPTER:
        raise InputError(f"{begin} is an adapter, trained on texts alone; name its base, or merge it first")
    if model.config.model_type in OWN_CODE:
        raise InputError(f"{begin} was trained on texts alone, and has no layer for columns; train a new model")
    if not type(model).__module__.startswith("transformers."):
        raise InputError(f"{begin} comes with code of its own, which would not be saved; try --columns_as_text")


def wrapped(inner: PreTrainedModel, ref: ModelRef, settings: dict) -> PreTrainedModel:
    """A `WrappedForSequenceClassification` with the weights of `inner`, which loses its output layer."""
    layers = output_layers(inner)
    layer = inner.get_submodule(layers[0]) if len(layers) == 1 else None
    if not isinstance(layer, nn.Linear):
        raise InputError(
            f"--extra_column_names: {ref.flag} {ref.name} has no single linear layer of class scores, before which "
            "columns could be joined; try --columns_as_text"
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

"""Create a new custom model from --model_config and, with --embed_with, on a pretrained encoder."""

import dataclasses
from typing import Any

import torch
import yaml
from huggingface_hub.errors import StrictDataclassError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from custom_models import MODELS, OWN_CODE
from custom_models.base import TextClassifierConfig, TextEncoder
from sentiment_hf.common.errors import InputError, did_you_mean, failure_explained
from sentiment_hf.common.extra_columns import ColumnSchema
from sentiment_hf.models.positions import limit_to_positions
from sentiment_hf.models.quiet import quiet_loading
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.text.sentence_ends import sentence_ends


def new_model(
    spec: RunSpec, names: dict[str, dict], tokenizer: PreTrainedTokenizerBase, columns: ColumnSchema | None = None
) -> PreTrainedModel:
    """A custom model with random weights, on top of the pretrained encoder of --embed_with if there is one.

    It reads the `columns` beside the text.

    Raises:
        InputError: a setting of --model_config does not exist or does not fit, or --embed_with cannot be used.
    """
    model_type = spec.model.model_type
    settings = parse_model_config(model_type, spec.new_model.model_config or [])
    if spec.embed_with and not takes_vectors(model_type):
        raise InputError(f"--embed_with: {model_type} reads n-grams of ids, and no vectors")
    encoder = pretrained_encoder(spec.embed_with) if spec.embed_with else None
    if encoder is not None:
        if "embedding_size" in settings:
            raise InputError(
                f"--model_config embedding_size: that of --embed_with {spec.embed_with.name} is "
                f"{encoder.config.hidden_size}"
            )
        settings |= encoder_settings(encoder.config)
        limit_to_positions(tokenizer, encoder)
    settings |= columns.settings if columns else {}
    if spec.tokenizer.long_texts == "hierarchical":
        settings = {"pooling": "attention"} | settings | {"sentence_ends": sentence_ends(tokenizer)}
    model = AutoModelForSequenceClassification.from_config(new_config(model_type, tokenizer, names | settings))
    if encoder is not None:
        model.embedding.model.load_state_dict(encoder.state_dict())
        require_token_vectors(model, spec.embed_with)
    return model


def new_config(model_type: str, tokenizer: PreTrainedTokenizerBase, settings: dict[str, Any]) -> PreTrainedConfig:
    """The config of a new custom model for the ids of the tokenizer. Raises InputError if a setting does not fit."""
    try:
        return AutoConfig.for_model(
            model_type, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **settings
        )
    except StrictDataclassError as error:
        reason = error.__cause__ or error
        raise InputError(f"--model_config: {' '.join(str(reason).split())}") from error


def encoder_settings(config: PreTrainedConfig) -> dict[str, Any]:
    """The fields of a new model's config that describe its encoder.

    The encoder's dtype is left out: the new model has a dtype of its own.
    """
    encoder = {name: value for name, value in config.to_diff_dict().items() if name != "dtype"}
    return {"encoder": encoder, "embedding_size": config.hidden_size}


def takes_vectors(model_type: str) -> bool:
    """Whether this custom model reads token vectors, which --embed_with provides, and not n-grams of ids."""
    return next(issubclass(model, TextEncoder) for config, model in MODELS if config.model_type == model_type)


def pretrained_encoder(ref: ModelRef) -> PreTrainedModel:
    """Load the model of --embed_with without head and pooler. Code from its checkpoint is not run.

    Raises:
        InputError: the model cannot be loaded, is a custom model, or has a decoder.
    """
    source = {"revision": ref.commit or ref.revision, "trust_remote_code": False}
    with failure_explained(ref.name, ref.flag), quiet_loading():
        if AutoConfig.from_pretrained(ref.source, **source).model_type in OWN_CODE:
            raise ValueError("it is a custom model, and its code would not be saved with the new model")
        model = AutoModel.from_pretrained(ref.source, dtype=torch.float32, use_safetensors=True, **source)
        if model.config.is_encoder_decoder:
            raise ValueError("it is an encoder with a decoder; expected one with a vector for each token of a text")
    model.pooler = None
    return model


@torch.no_grad()
def require_token_vectors(model: PreTrainedModel, ref: ModelRef) -> None:
    """Check that the encoder returns vectors of (batch, length, embedding_size) that do not depend on padding.

    Raises:
        InputError: the shape is another, or padding changes the vectors.
    """
    ids = torch.tensor([[5, 6, model.config.pad_token_id, model.config.pad_token_id]])
    mask = torch.tensor([[True, True, False, False]])
    with failure_explained(ref.name, ref.flag):
        alone, padded = model.embedding(mask[:, :2], input_ids=ids[:, :2]), model.embedding(mask, input_ids=ids)
        if alone.shape != (1, 2, model.config.embedding_size):
            raise ValueError(f"its vectors are of shape {tuple(alone.shape)}")
        if not torch.allclose(alone, padded[:, :2], atol=1e-4):
            raise ValueError("its vectors depend on the padding behind a text, so the batch would decide the class")


def parse_model_config(model_type: str, settings: list[str]) -> dict:
    """['hidden_size=256'] -> {'hidden_size': 256}.

    Raises:
        InputError: the config of `model_type` has no such field, or YAML cannot read the value.
    """
    config_class = type(AutoConfig.for_model(model_type))
    inherited = {field.name for field in dataclasses.fields(TextClassifierConfig.__base__)}
    decided_elsewhere = {"vocab_size", "pad_token_id", "encoder", "number_columns", "category_columns"}
    decided_elsewhere |= {"sentence_ends"}
    known = [f.name for f in dataclasses.fields(config_class) if f.name not in inherited | decided_elsewhere]
    parsed = {}
    for name, value in (setting.split("=", 1) for setting in settings):
        if name not in known:
            raise InputError(f"--model_config: {model_type} has no setting {name!r}{did_you_mean(name, known)}")
        parsed[name] = parse_setting_value(name, value)
    return parsed


def parse_setting_value(name: str, text: str):
    """The number, list, boolean or word that YAML reads; also a float such as 1e-3, which YAML reads as a word."""
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise InputError(
            f"--model_config {name}={text}: expected a number, a word, true, false or a list as in [2,3]"
        ) from error
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value

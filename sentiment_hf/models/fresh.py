"""New custom models: their settings, and a pretrained encoder under them."""

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

from custom_models import MODEL_NAMES, MODELS
from custom_models.base import TextClassifierConfig, TextEncoder
from sentiment_hf.common.errors import InputError, did_you_mean, failure_explained
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import ModelRef


def new_model(spec: RunSpec, names: dict[str, dict], tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """Fresh weights, over those of the pretrained encoder of --embed_with if there is one."""
    model_type = spec.model.model_type
    settings = parse_settings(model_type, spec.new_model.model_config or [])
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
    try:
        config = AutoConfig.for_model(
            model_type, vocab_size=len(tokenizer), pad_token_id=tokenizer.pad_token_id, **names, **settings
        )
    except StrictDataclassError as error:
        reason = error.__cause__ or error
        raise InputError(f"--model_config: {' '.join(str(reason).split())}") from error
    model = AutoModelForSequenceClassification.from_config(config)
    if encoder is not None:
        model.embedding.model.load_state_dict(encoder.state_dict())
        require_token_vectors(model, spec.embed_with)
    return model


def encoder_settings(config: PreTrainedConfig) -> dict[str, Any]:
    """What the config of a new model says of the encoder under it; not its number format, for the model has one."""
    kept = {name: value for name, value in config.to_diff_dict().items() if name != "dtype"}
    return {"encoder": kept, "embedding_size": config.hidden_size}


def takes_vectors(model_type: str) -> bool:
    """Whether the custom model of this name reads vectors, so that it can be put on an encoder."""
    return next(issubclass(model, TextEncoder) for config, model in MODELS if config.model_type == model_type)


def pretrained_encoder(ref: ModelRef) -> PreTrainedModel:
    """The model of --embed_with, without head and pooler; the code that a checkpoint brings is not run for this.

    Raises:
        InputError: it cannot be loaded, or is no encoder of a stock kind.
    """
    source = {"revision": ref.commit or ref.revision, "trust_remote_code": False}
    with failure_explained(ref.name, ref.flag):
        if AutoConfig.from_pretrained(ref.source, **source).model_type in MODEL_NAMES:
            raise ValueError("it is a custom model, and its code would not be saved with the new model")
        model = AutoModel.from_pretrained(ref.source, dtype=torch.float32, use_safetensors=True, **source)
        if model.config.is_encoder_decoder:
            raise ValueError("it is an encoder with a decoder, and a vector for each token of a text is wanted")
    model.pooler = None
    return model


@torch.no_grad()
def require_token_vectors(model: PreTrainedModel, ref: ModelRef) -> None:
    """Two tokens, alone and beside padding, get the same vectors of the right size."""
    ids = torch.tensor([[5, 6, model.config.pad_token_id, model.config.pad_token_id]])
    mask = torch.tensor([[True, True, False, False]])
    with failure_explained(ref.name, ref.flag):
        alone, padded = model.embedding(mask[:, :2], input_ids=ids[:, :2]), model.embedding(mask, input_ids=ids)
        if alone.shape != (1, 2, model.config.embedding_size):
            raise ValueError(f"its vectors are of shape {tuple(alone.shape)}")
        if not torch.allclose(alone, padded[:, :2], atol=1e-4):
            raise ValueError("its vectors depend on the padding behind a text, so the batch would decide the class")


def parse_settings(model_type: str, settings: list[str]) -> dict:
    """['hidden_size=256'] -> {'hidden_size': 256}, names checked against the config's fields."""
    config_class = type(AutoConfig.for_model(model_type))
    inherited = {field.name for field in dataclasses.fields(TextClassifierConfig.__base__)}
    decided_elsewhere = {"vocab_size", "pad_token_id", "encoder"}
    known = [f.name for f in dataclasses.fields(config_class) if f.name not in inherited | decided_elsewhere]
    parsed = {}
    for name, value in (setting.split("=", 1) for setting in settings):
        if name not in known:
            raise InputError(f"--model_config: {model_type} has no setting {name!r}{did_you_mean(name, known)}")
        parsed[name] = parse_value(name, value)
    return parsed


def parse_value(name: str, text: str):
    """A number, list, true/false or word as YAML reads it, and 1e-3 as the number that it is."""
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

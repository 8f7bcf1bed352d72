"""The language model of `pretrain`: a new one over the body of a custom model, or that of a checkpoint."""

import torch
from transformers import AutoModelForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from custom_models import LANGUAGE_MODELS
from sentiment_hf.common.errors import InputError
from sentiment_hf.models.checkpoint import load_pretrained, require_consistent
from sentiment_hf.models.fresh import new_config, parse_model_config
from sentiment_hf.models.inputs import keep_accepted_inputs
from sentiment_hf.models.load import attention_dropout
from sentiment_hf.models.positions import limit_to_positions
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import ModelRef

OURS = {config.model_type: (model, auto) for config, model, auto in LANGUAGE_MODELS}
MASK = "[MASK]"


def predicts_next_words(model_type: str) -> bool:
    """Whether the language model with this body predicts next words; the others predict masked ones."""
    return model_type in OURS and OURS[model_type][1] is not AutoModelForMaskedLM


def load_language_model(spec: RunSpec, tokenizer: PreTrainedTokenizerBase) -> PreTrainedModel:
    """A language model that is ready to be trained; `tokenizer` gets a mask token if a new model needs one.

    Raises:
        InputError: the settings of --model_config do not fit, the checkpoint has no such model, or no mask token.
    """
    ref = spec.model
    if not ref.is_new:
        return saved_language_model(ref, tokenizer, spec.tuning.attention_dropout)
    if not predicts_next_words(ref.model_type):
        # Behind the words: a later mask token would have no row in the embedding.
        tokenizer.add_special_tokens({"mask_token": MASK})
    try:
        settings = parse_model_config(ref.model_type, spec.new_model.model_config or [])
        model = OURS[ref.model_type][0](new_config(ref.model_type, tokenizer, settings))
    except ValueError as error:
        raise InputError(f"--model_config: {error}") from error
    return model


def saved_language_model(ref: ModelRef, tokenizer: PreTrainedTokenizerBase, rate: float | None) -> PreTrainedModel:
    """The language model of a checkpoint, with this `rate` of attention dropout; what it lacks of a head is new."""
    next_words = predicts_next_words(ref.model_type)
    if not next_words and tokenizer.mask_token is None:
        raise InputError(
            f"{ref.flag} {ref.name}: its tokenizer has no mask token, so the model cannot learn from masked words; "
            "expected an encoder such as BERT"
        )
    auto = OURS[ref.model_type][1] if ref.model_type in OURS else AutoModelForMaskedLM
    settings = attention_dropout(ref, rate)
    model = load_pretrained(auto, ref, use_safetensors=True, dtype=torch.float32, **settings)
    require_consistent(model, tokenizer, ref)
    limit_to_positions(tokenizer, model)
    keep_accepted_inputs(tokenizer, model)
    model.config.pad_token_id = tokenizer.pad_token_id
    # The outputs of a classifier that it was before are gone with its head.
    model.config.num_labels, model.config.problem_type = 2, None
    return model

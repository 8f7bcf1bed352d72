"""How many tokens a model has positions for."""

import math

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from custom_models import MODEL_NAMES


def max_positions(model: PreTrainedModel) -> float:
    """The largest number of tokens that the model has positions for; infinity without a limit.

    RoBERTa and its kin number the tokens from the padding index + 1 on, and the rows up to it are of no token. Their
    embedding of positions has a padding index; the embedding of models that count from 0 has none.
    """
    limit = getattr(model.config, "max_position_embeddings", None)
    # Custom models handle longer texts themselves. XLNet writes -1 for no limit.
    if model.config.model_type in MODEL_NAMES or limit is None or limit < 0:
        return math.inf
    paddings = [
        part.padding_idx
        for name, part in model.named_modules()
        if name.endswith("position_embeddings") and getattr(part, "padding_idx", None) is not None
    ]
    return limit - max(paddings) - 1 if paddings else limit


def limit_to_positions(tokenizer: PreTrainedTokenizerBase, model: PreTrainedModel) -> None:
    """Set the maximum of the tokenizer to that of the model, if it is larger."""
    tokenizer.model_max_length = min(tokenizer.model_max_length, max_positions(model))

"""Texts that a tokenizer does not know: the share of unknown tokens."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from sentiment_hf.text.encoded import EncodedTexts

logger = logging.getLogger(__name__)

# Above this share of unknown tokens the user is told.
MANY_UNKNOWN = 0.1


def unknown_share(ids: np.ndarray, unknown: int | None, special: Iterable[int] = ()) -> float | None:
    """The share of the token `unknown` among the (tokens,) ids that are not `special`.

    None if the tokenizer has no such token, as one of bytes.
    """
    if unknown is None:
        return None
    counts = np.bincount(ids, minlength=1 + max(unknown, *special, 0))
    total = counts.sum() - counts[list({*special} - {unknown})].sum()
    return float(counts[unknown] / total) if total else 0.0


def unknown_in(texts: "EncodedTexts", tokenizer: "PreTrainedTokenizerBase") -> float | None:
    """The `unknown_share` of a whole part."""
    return unknown_share(texts.values["input_ids"], tokenizer.unk_token_id, tokenizer.all_special_ids)


def say_unknown(share: float | None, advice: str) -> None:
    """Warn of more than a tenth of unknown tokens in validation; `advice` says what to do."""
    if share is not None and share > MANY_UNKNOWN:
        logger.warning("%.0f %% of the tokens of validation are unknown to the tokenizer; %s", 100 * share, advice)


def advice_for(kind: str) -> str:
    """What to do about unknown tokens of a tokenizer that was trained on the train part; `kind` as --tokenizer."""
    if kind == "char":
        return "lower --min_frequency, or give more texts to train on"
    return "--tokenizer char knows their characters"

"""Text to token ids by any tokenizer, and which part of a long text is kept."""

import re

from transformers import BatchEncoding, PreTrainedTokenizerBase

LINE_BREAK = r"(?i)<br\s*/?>"

# The entry of tokenizer_config.json that says which part of a long text is kept.
KEPT = "text_truncation"


def set_truncation(tokenizer: PreTrainedTokenizerBase, kept: str) -> None:
    """What is kept of a text that is too long: head, tail or head-tail; it is saved with the tokenizer.

    The library knows the first two by its own `truncation_side`; the third is known to `encode` alone.
    """
    tokenizer.truncation_side = "left" if kept == "tail" else "right"
    tokenizer.init_kwargs |= {"truncation_side": tokenizer.truncation_side, KEPT: kept}


def truncation(tokenizer: PreTrainedTokenizerBase) -> str:
    """head, tail or head-tail."""
    return tokenizer.init_kwargs.get(KEPT, "tail" if tokenizer.truncation_side == "left" else "head")


def encode(texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> BatchEncoding:
    """The same ids for a text wherever it is read: input_ids, attention_mask, ..., each a list with a list per text.

    `<br />` is a space for every tokenizer, texts are cut to `max_length` (None: the tokenizer's own), and one
    without any token (what GPT-2 makes of "") is a single end-of-text token.
    """
    limit = {"truncation": True, "max_length": max_length}
    texts = [re.sub(LINE_BREAK, " ", text) for text in texts]
    if truncation(tokenizer) == "head-tail":
        # Not verbose: a warning of texts that are too long is out of place, as they are about to be cut.
        encoded = tokenizer(texts, return_special_tokens_mask=True, verbose=False)
        cut_middle(encoded, max_length or tokenizer.model_max_length)
    else:
        encoded = tokenizer(texts, **limit)
    for row in [row for row, ids in enumerate(encoded["input_ids"]) if not ids]:
        for name, values in tokenizer(tokenizer.eos_token or tokenizer.pad_token, **limit).items():
            encoded[name][row] = values
    return encoded


def cut_middle(encoded: BatchEncoding, limit: int) -> None:
    """Shorten each text to `limit` tokens: a quarter of what its own may take from its head, the rest from its tail.

    Special tokens stay. The proportion is that of Sun et al. 2019, section 5.3.1 (128 of 510 tokens).
    """
    for row, special in enumerate(encoded.pop("special_tokens_mask")):
        surplus = len(special) - limit
        if surplus > 0:
            start = special.index(0) + (limit - sum(special)) // 4
            for values in encoded.values():
                del values[row][start : start + surplus]

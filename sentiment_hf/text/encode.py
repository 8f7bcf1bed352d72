"""Convert texts to token ids with any tokenizer, and choose which part of a long text is kept."""

from transformers import BatchEncoding, PreTrainedTokenizerBase

from sentiment_hf.text.line_breaks import LINE_BREAK_ENTRY, spaces_for_line_breaks

# The entry of tokenizer_config.json that says which part of a long text is kept.
TRUNCATION_ENTRY = "text_truncation"


def set_truncation(tokenizer: PreTrainedTokenizerBase, kept: str) -> None:
    """Set which part of a long text is `kept`: head, tail or head-tail. The tokenizer saves it in its config.

    The library has head and tail as `truncation_side`. Only `encode` knows head-tail.
    """
    tokenizer.truncation_side = "left" if kept == "tail" else "right"
    tokenizer.init_kwargs |= {"truncation_side": tokenizer.truncation_side, TRUNCATION_ENTRY: kept}


def kept_part(tokenizer: PreTrainedTokenizerBase) -> str:
    """The part of a long text that the tokenizer keeps: head, tail or head-tail."""
    return tokenizer.init_kwargs.get(TRUNCATION_ENTRY, "tail" if tokenizer.truncation_side == "left" else "head")


def encode(texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int | None = None) -> BatchEncoding:
    """Convert texts to input_ids, attention_mask, ...: each a list with a list per text.

    Training, scoring and prediction all use this function. Texts are cut
    to `max_length` tokens (None: the tokenizer's own maximum). A text without tokens, such as "" for GPT-2, becomes
    one end-of-text token.
    """
    limit = {"truncation": True, "max_length": max_length}
    if LINE_BREAK_ENTRY in tokenizer.init_kwargs:
        texts = spaces_for_line_breaks(texts)
    if kept_part(tokenizer) == "head-tail":
        # verbose=False turns off the warning about long texts, which are cut below.
        encoded = tokenizer(texts, return_special_tokens_mask=True, verbose=False)
        cut_middle(encoded, max_length or tokenizer.model_max_length)
    else:
        encoded = tokenizer(texts, **limit)
    for row in [row for row, ids in enumerate(encoded["input_ids"]) if not ids]:
        for name, values in tokenizer(tokenizer.eos_token or tokenizer.pad_token, **limit).items():
            encoded[name][row] = values
    return encoded


def cut_middle(encoded: BatchEncoding, limit: int) -> None:
    """Cut the middle of each text, so that it has `limit` tokens, special tokens included.

    All special tokens stay. Of the other tokens, a quarter is taken from the head and three quarters from the tail, as
    in Sun et al. 2019, section 5.3.1 (128 of 510 tokens).
    """
    for row, special in enumerate(encoded.pop("special_tokens_mask")):
        surplus = len(special) - limit
        if surplus > 0:
            start = special.index(0) + (limit - sum(special)) // 4
            for values in encoded.values():
                del values[row][start : start + surplus]

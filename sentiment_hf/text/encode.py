"""Convert texts to token ids with any tokenizer, and choose which part of a long text is kept."""

from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import LARGE_INTEGER, TruncationStrategy
from transformers.utils import PaddingStrategy

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


def is_its_backend(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the backend of the tokenizer, which its files describe, does all that there is to do with a text.

    LayoutLM, LUKE and others have classes that do more.
    """
    own = type(tokenizer)
    return isinstance(tokenizer, PreTrainedTokenizerFast) and all(
        getattr(own, name) is getattr(PreTrainedTokenizerFast, name)
        for name in ("__call__", "_encode_plus", "set_truncation_and_padding")
    )


def encode(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int | None = None
) -> dict[str, list[list[int]]]:
    """Convert texts to input_ids, and token_type_ids where the model takes them: each a list with a list per text.

    Training, scoring and prediction all use this function. Texts are cut
    to `max_length` tokens (None: the tokenizer's own maximum). A text without tokens, such as "" for GPT-2, becomes
    one end-of-text token. There is no attention mask: no token is padding.
    """
    limit = tokenizer.model_max_length if max_length is None else max_length
    # A tokenizer without a maximum has one of 10^30.
    limit = None if limit > LARGE_INTEGER else limit
    both_ends = limit is not None and kept_part(tokenizer) == "head-tail"
    encoded = convert(texts, tokenizer, None if both_ends else limit, both_ends)
    if both_ends:
        cut_middle(encoded, limit)
    return encoded


def convert(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, limit: int | None, special: bool
) -> dict[str, list[list[int]]]:
    """Texts to ids, cut to `limit` tokens (None: not cut); with `special` also special_tokens_mask.

    A text without tokens becomes one end-of-text token.
    """
    if LINE_BREAK_ENTRY in tokenizer.init_kwargs:
        texts = spaces_for_line_breaks(texts)
    by_this = _by_backend if is_its_backend(tokenizer) else _by_tokenizer
    encoded = by_this(texts, tokenizer, limit, special)
    for row in [row for row, ids in enumerate(encoded["input_ids"]) if not ids]:
        empty = by_this([tokenizer.eos_token or tokenizer.pad_token], tokenizer, limit, special)
        for name, values in empty.items():
            encoded[name][row] = values[0]
    return encoded


def _by_tokenizer(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, limit: int | None, special: bool
) -> dict[str, list[list[int]]]:
    """By the tokenizer as the library calls it; `special`: with special_tokens_mask. No `limit`: texts are not cut."""
    # verbose=False turns off the warning about long texts, which are cut afterwards.
    encoded = tokenizer(
        texts,
        truncation=limit is not None,
        max_length=limit,
        return_special_tokens_mask=special,
        return_attention_mask=False,
        verbose=False,
    )
    return dict(encoded)


def _by_backend(
    texts: list[str], tokenizer: PreTrainedTokenizerFast, limit: int | None, special: bool
) -> dict[str, list[list[int]]]:
    """As `_by_tokenizer`, in about two thirds of its time: the places of the tokens in the text are not computed."""
    tokenizer.set_truncation_and_padding(
        padding_strategy=PaddingStrategy.DO_NOT_PAD,
        truncation_strategy=TruncationStrategy.DO_NOT_TRUNCATE if limit is None else TruncationStrategy.LONGEST_FIRST,
        max_length=limit,
        stride=0,
        pad_to_multiple_of=None,
        padding_side=None,
    )
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = tokenizer.split_special_tokens
    encodings = backend.encode_batch_fast(texts)
    encoded = {"input_ids": [encoding.ids for encoding in encodings]}
    if "token_type_ids" in tokenizer.model_input_names:
        encoded["token_type_ids"] = [encoding.type_ids for encoding in encodings]
    if special:
        encoded["special_tokens_mask"] = [encoding.special_tokens_mask for encoding in encodings]
    return encoded


def cut_middle(encoded: dict[str, list[list[int]]], limit: int) -> None:
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

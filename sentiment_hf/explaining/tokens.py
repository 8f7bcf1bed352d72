"""The tokens that a model reads of a text, and the words that they belong to."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_array
from torch import Tensor
from transformers import PreTrainedTokenizerBase
from transformers.tokenization_utils_base import LARGE_INTEGER

from sentiment_hf.common.errors import InputError
from sentiment_hf.explaining.words import Spans
from sentiment_hf.text.encode import convert, cut_middle, is_its_backend, kept_part
from sentiment_hf.text.line_breaks import LINE_BREAK_ENTRY
from sentiment_hf.text.windows import Windows, cut_windows, encoded_texts


@dataclass(frozen=True)
class TokenRow:
    """One row of a batch: a text, or a window of a long one.

    inputs: (1, tokens) tensors that the model takes, without padding.
    special: (tokens,) bool, true at the tokens that the tokenizer adds to each text.
    share: (words, tokens) how much of a token belongs to a word. The sum over the words is 1, and 0 at special tokens.
    """

    inputs: dict[str, Tensor]
    special: np.ndarray
    share: csr_array


def places_tokens(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether the tokenizer says from where in a text its tokens are; one in Python does not."""
    return is_its_backend(tokenizer) and LINE_BREAK_ENTRY not in tokenizer.init_kwargs


def read_tokens(text: str, words: Spans, tokenizer: PreTrainedTokenizerBase) -> list[TokenRow]:
    """What the model reads of a text: a row, or one for each window; `require_as_predicted` checks it."""
    encoded = convert([text], tokenizer, None, True)
    special = np.array(encoded["special_tokens_mask"][0], bool)
    # Right after `convert`, by which the tokenizer cuts nothing.
    offsets = tokenizer.backend_tokenizer.encode(text).offsets
    share = shares(offsets, special, words)
    # The places are cut with the ids.
    encoded["place"] = [list(range(len(special)))]
    cut(encoded, tokenizer)
    places = encoded.pop("place")
    rows = []
    for row, kept in enumerate(places):
        inputs = {name: torch.tensor([values[row]]) for name, values in encoded.items()}
        if "attention_mask" in tokenizer.model_input_names:
            inputs["attention_mask"] = torch.ones_like(inputs["input_ids"])
        rows.append(TokenRow(inputs, special[kept], share[:, kept]))
    return rows


def shares(offsets: Sequence[tuple[int, int]], special: np.ndarray, words: Spans) -> csr_array:
    """(words, tokens) as in `TokenRow`; `offsets` are the first character and the one behind the last of each token.

    A token of several words is theirs in equal parts. One of blanks belongs to the next word.
    """
    if not words or len(offsets) != len(special):
        # A text without tokens is one end-of-text token.
        return csr_array((len(words), len(special)))
    starts, ends = np.array(words).T
    begin, end = np.array(offsets).T
    first = np.minimum(np.searchsorted(ends, begin, side="right"), len(words) - 1)
    counts = np.where(special, 0, np.maximum(np.searchsorted(starts, end) - first, 1))
    tokens = np.repeat(np.arange(len(special)), counts)
    within = np.arange(len(tokens)) - np.repeat(np.cumsum(counts) - counts, counts)
    values = 1 / counts[tokens]
    return csr_array((values, (first[tokens] + within, tokens)), shape=(len(words), len(special)))


def cut(encoded: dict[str, list[list]], tokenizer: PreTrainedTokenizerBase) -> None:
    """Cut the only text in `encoded`, or replace it by its windows, as the tokenizer says."""
    limit = tokenizer.model_max_length
    if limit > LARGE_INTEGER:
        del encoded["special_tokens_mask"]
    elif windows := Windows.of(tokenizer):
        cut_windows(encoded, limit, windows.overlap(limit))
    elif kept_part(tokenizer) == "head-tail":
        cut_middle(encoded, limit)
    else:
        cut_side(encoded, limit, kept_part(tokenizer))


def cut_side(encoded: dict[str, list[list]], limit: int, kept: str) -> None:
    """Cut the text to `limit` tokens: its own tokens from the end or, if the tail is `kept`, from the beginning."""
    (special,) = encoded.pop("special_tokens_mask")
    own = np.flatnonzero(np.array(special) == 0)
    surplus = max(len(special) - limit, 0)
    gone = own[:surplus] if kept == "tail" else own[len(own) - surplus :]
    for values in encoded.values():
        values[0] = np.delete(np.array(values[0]), gone).tolist()


def require_as_predicted(text: str, rows: Sequence[TokenRow], tokenizer: PreTrainedTokenizerBase) -> None:
    """Raise InputError unless these rows are what `predict` reads."""
    ids = [row.inputs["input_ids"][0].tolist() for row in rows]
    if ids != [row.tolist() for row in encoded_texts([text], tokenizer).texts()]:
        raise InputError("its tokenizer does not say which tokens are of which word; give --method deletion")

"""Long texts in overlapping windows, for --long_texts windows: how they are cut, and how their logits are pooled.

The setting is an entry of tokenizer_config.json, so a saved model reads long texts as it was trained to.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from transformers import PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError
from sentiment_hf.text.encode import convert, encode
from sentiment_hf.text.encoded import EncodedTexts

# The entry of tokenizer_config.json that says that long texts are read in windows.
WINDOWS_ENTRY = "text_windows"


@dataclass(frozen=True)
class Windows:
    """How long texts are read in windows.

    stride: tokens of a window that the next one repeats; None: a quarter of the longest window.
    pooling: mean or max of the logits of the windows of a text.
    """

    stride: int | None
    pooling: str

    @classmethod
    def of(cls, tokenizer: PreTrainedTokenizerBase) -> Self | None:
        """The setting that is saved with the tokenizer; None if long texts are cut."""
        entry = tokenizer.init_kwargs.get(WINDOWS_ENTRY)
        return cls(**entry) if entry else None

    def overlap(self, limit: int) -> int:
        """Tokens that the next window repeats, for windows of at most `limit` tokens."""
        return limit // 4 if self.stride is None else self.stride

    def as_used(self, train: EncodedTexts, limit: int) -> dict[str, Any]:
        """The entry `windows` of a report: overlap in tokens, pooling, and the number of windows of train."""
        return {"overlap": self.overlap(limit), "pooling": self.pooling, "train": len(train)}


def set_windows(tokenizer: PreTrainedTokenizerBase, windows: Windows | None) -> None:
    """Let `encoded_texts` read long texts in windows; None: they are cut. The tokenizer saves it in its config."""
    tokenizer.init_kwargs.pop(WINDOWS_ENTRY, None)
    if windows:
        tokenizer.init_kwargs[WINDOWS_ENTRY] = asdict(windows)


def check_windows(tokenizer: PreTrainedTokenizerBase, limit: int) -> None:
    """Raise InputError if a window of `limit` tokens has no token that the window before it does not have."""
    windows, room = Windows.of(tokenizer), limit - tokenizer.num_special_tokens_to_add()
    if windows and windows.overlap(limit) >= room:
        raise InputError(
            f"--window_stride {windows.overlap(limit)}: each window repeats so many tokens of the one before it, and "
            f"one of --max_seq_length {limit} has {room} tokens of the text; expected at most {room - 1}"
        )


def encoded_texts(
    texts: list[str], tokenizer: PreTrainedTokenizerBase, max_length: int | None = None, dtype: type = np.int32
) -> EncodedTexts:
    """The texts as token ids: one row for each text or, if the tokenizer says so, for each window of each text.

    `max_length` is the most tokens of a row, special tokens included (None: the tokenizer's own maximum).
    """
    windows = Windows.of(tokenizer)
    if windows is None:
        return EncodedTexts.of(encode(texts, tokenizer, max_length), dtype)
    limit = tokenizer.model_max_length if max_length is None else max_length
    encoded = convert(texts, tokenizer, None, True)
    counts = cut_windows(encoded, limit, windows.overlap(limit))
    return EncodedTexts.of(encoded, dtype).as_windows(counts)


def cut_windows(encoded: dict[str, list[list[int]]], limit: int, overlap: int) -> list[int]:
    """Replace each text in `encoded` by its windows of at most `limit` tokens. Returns the number of windows of each.

    Each window stands between the special tokens of the text. The windows are those of `tokenizers` with
    `return_overflowing_tokens` and `stride=overlap`, which its tokenizers in Python do not have.
    """
    counts, cut = [], {name: [] for name in encoded if name != "special_tokens_mask"}
    for row, special in enumerate(encoded.pop("special_tokens_mask")):
        spans = window_spans(special, limit, overlap)
        counts.append(len(spans))
        for name, windows in cut.items():
            values = encoded[name][row]
            before, after = values[: spans[0][0]], values[spans[-1][1] :]
            windows += [before + values[start:end] + after for start, end in spans]
    encoded.update(cut)
    return counts


def window_spans(special: list[int], limit: int, overlap: int) -> list[tuple[int, int]]:
    """First place, and place after the last, of the text's own tokens in each window; `special`: (tokens,) 0 or 1."""
    if len(special) <= limit:
        return [(0, len(special))]
    first = special.index(0)
    end = len(special) - special[::-1].index(0)
    room = limit - first - (len(special) - end)
    return [(start, min(start + room, end)) for start in range(first, end - overlap, room - overlap)]


def pooled(logits: np.ndarray, texts: EncodedTexts, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """(rows, outputs) logits -> (texts, outputs), the mean or max over the windows of each text, in the texts' order.

    If rows are whole texts, the logits as they are.
    """
    if texts.text_of is None:
        return logits
    order, starts = by_text(texts.text_of)
    if Windows.of(tokenizer).pooling == "max":
        return np.maximum.reduceat(logits[order], starts)
    counts = np.diff(starts, append=len(order)).astype(logits.dtype)
    return np.add.reduceat(logits[order], starts) / counts[:, None]


def of_texts(values: np.ndarray, texts: EncodedTexts) -> np.ndarray:
    """(rows, ...) values that all windows of a text share, such as its label -> (texts, ...), in the texts' order."""
    if texts.text_of is None:
        return values
    order, starts = by_text(texts.text_of)
    return values[order[starts]]


def by_text(text_of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) rows sorted by the number of their text, and (texts,) the place of the first row of each text there."""
    order = np.argsort(text_of, kind="stable")
    return order, np.flatnonzero(np.diff(text_of[order], prepend=-1))

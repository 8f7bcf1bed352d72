"""The words of a text, which are explained whole, and texts without some of them."""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from tokenizers import Regex, pre_tokenizers

from sentiment_hf.text.line_breaks import LINE_BREAK
from sentiment_hf.text.tokenizers import UNSPACED, WORDS

# Where the words of a text begin and end, in characters.
Spans = Sequence[tuple[int, int]]


@cache
def splitter(pattern: str) -> pre_tokenizers.PreTokenizer:
    """Finds what matches a pattern."""
    return pre_tokenizers.Split(Regex(pattern), behavior="removed", invert=True)


def words_of(text: str) -> tuple[tuple[int, int], ...]:
    """The words of a text as the tokenizer `word` splits them, punctuation marks and letters of unspaced scripts too.

    All characters but blanks and `<br />` belong to a word.
    """
    # What the tokenizer replaces before it splits, by as many characters.
    clean = re.sub(LINE_BREAK, lambda found: " " * len(found[0]), text).replace("\u2019", "'")
    return tuple(span for _, span in splitter(WORDS).pre_tokenize_str(clean))


def without(text: str, words: Spans, gone: np.ndarray) -> str:
    """The text without the words that are `gone`, (words,) bool.

    A space keeps the neighbours of such a word apart, unless they are apart anyway or their script has no spaces.
    """
    pieces, end = [], 0
    for place in np.flatnonzero(gone):
        first, last = words[place]
        pieces.append(text[end:first])
        before, after = text[max(first - 1, 0) : first], text[last : last + 1]
        pieces.append(" " if before.strip() and after.strip() and not (unspaced(before) or unspaced(after)) else "")
        end = last
    return "".join([*pieces, text[end:]])


def unspaced(letter: str) -> bool:
    """Whether a character is of a script that puts no spaces between words."""
    return bool(splitter(f"[{UNSPACED}]").pre_tokenize_str(letter))

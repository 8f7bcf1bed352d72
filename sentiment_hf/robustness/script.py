"""In what kind of script the texts of a file are, and whether they are English; decided on all of them together."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tokenizers import Regex, pre_tokenizers

from sentiment_hf.text.tokenizers import UNSPACED

WORD = re.compile(r"[^\W\d_]+")

# Frequent in any English text and, with few exceptions, no words of other languages.
FUNCTION_WORD = re.compile(
    r"\b(?:the|and|of|to|is|it|that|this|was|with|for|but|not|you|are|have|be|my|they|i|he|she|at|from|which|who|what|"
    r"there|an|as|has|had|were|we|our|by|all|so|just|very|been|would)\b",
    re.IGNORECASE,
)
# A text of English has 35 to 50 % of them, one of German, Dutch or French at most 5 %.
ENGLISH = 0.15

# Why something is left out that is for English texts.
NOT_ENGLISH = "for English texts, and these are not"


@dataclass(frozen=True)
class Script:
    """is_unspaced: whether most letters are of scripts without spaces between words; there can be no words there."""

    is_unspaced: bool
    is_english: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """The script of most letters, and whether 15 % of the words or more are function words of English."""
        unspaced = pre_tokenizers.Split(Regex(f"[{UNSPACED}]"), behavior="removed", invert=True)
        letters = sum(sum(map(str.isalpha, text)) for text in texts)
        of_unspaced = sum(len(unspaced.pre_tokenize_str(text)) for text in texts)
        words, common = (sum(len(kind.findall(text)) for text in texts) for kind in (WORD, FUNCTION_WORD))
        return cls(2 * of_unspaced > letters, common > ENGLISH * words)

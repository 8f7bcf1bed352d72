"""What a model says of a text without a word: for every kind of model, by its answers alone."""

from collections.abc import Callable, Sequence

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.explaining.words import Spans, without

# The model is asked once for each word, and reads the whole text each time.
MOST_WORDS = 1000


def deletion(answer: Callable[[Sequence[str]], np.ndarray], text: str, words: Spans, read: np.ndarray) -> np.ndarray:
    """(words, outputs) how much each output falls when the word is deleted.

    answer: texts -> (texts, outputs).
    read: (words,) bool, the words that the model reads. The others are deleted before, or they would move up into the
        place of a deleted one.

    Raises InputError for too many words.
    """
    if (count := int(read.sum())) > MOST_WORDS:
        raise InputError(
            f"the model reads {count:,} words of the text, and deletion asks it once for each; give a text of at most "
            f"{MOST_WORDS:,} words"
        )
    places = np.flatnonzero(read)
    gone = np.repeat(~read[None], count + 1, axis=0)
    gone[np.arange(count), places] = True
    *outputs, whole = answer([without(text, words, row) for row in gone])
    scores = np.zeros((len(words), len(whole)))
    scores[places] = whole - np.reshape(outputs, (count, len(whole)))
    return scores

"""What a baseline sees of a text: ids of words, counts of n-grams and their log-count ratios, scores of a lexicon."""

import re
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from tokenizers import Tokenizer

from sentiment_hf.common.errors import extra_explained
from sentiment_hf.text.encode import LINE_BREAK

# All words of any train part that fits into memory, and three of them as digits of one 64-bit integer.
MAX_WORDS = 2**20

# Texts that are tokenized at a time, since what tokenizers returns of one is large.
TEXTS_AT_A_TIME = 1000

VADER_SCORES = ("neg", "neu", "pos", "compound")


class Tokens(TransformerMixin, BaseEstimator):
    """Texts -> a list with an array of ids per text, by the tokenizer of the custom models; no text is cut.

    `kind` is `word` (words and punctuation marks) or `char`. All that stands in train is known, even once.
    """

    def __init__(self, kind: str = "word", lowercase: bool = True):
        self.kind, self.lowercase = kind, lowercase

    def fit(self, texts: list[str], labels=None) -> "Tokens":
        """Learn the vocabulary."""
        self.fit_transform(texts)
        return self

    def fit_transform(self, texts: list[str], labels=None) -> list[np.ndarray]:
        """Learn the vocabulary, of `vocabulary_` tokens, and count those of train: `num_tokens_`."""
        # It brings `datasets`, which texts are classified without.
        from sentiment_hf.text.tokenizers import train_tokenizer

        size = {"vocab_size": MAX_WORDS, "min_frequency": 1, "model_max_length": MAX_WORDS}
        tokenizer = train_tokenizer(texts, self.kind, lowercase=self.lowercase, **size)
        self.tokenizer_, self.vocabulary_ = tokenizer.backend_tokenizer.to_str(), len(tokenizer)
        tokens = self.transform(texts)
        self.num_tokens_ = sum(len(ids) for ids in tokens)
        return tokens

    def transform(self, texts: list[str]) -> list[np.ndarray]:
        """(tokens of the text,) for each; a word that train lacks has the id of [UNK]."""
        tokenizer = read_tokenizer(self.tokenizer_)
        tokens = []
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            batch = texts[start : start + TEXTS_AT_A_TIME]
            encoded = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            tokens += [np.array(text.ids, dtype=np.int64) for text in encoded]
        return tokens


@lru_cache(maxsize=2)
def read_tokenizer(serialized: str) -> Tokenizer:
    """Read once, for it takes longer than to classify a text."""
    tokenizer = Tokenizer.from_str(serialized)
    # A review that spells "[PAD]" has written five characters.
    tokenizer.encode_special_tokens = True
    return tokenizer


class NGrams(TransformerMixin, BaseEstimator):
    """Ids -> (texts, n-grams) counts of the n-grams of 1 to `longest` <= 3 tokens; `binary`: 1 for any count.

    Known are those of train that stand in at least `min_texts` texts. An n-gram is one integer with its ids as digits,
    so millions of them are one sorted array, in memory and in the saved file.
    """

    def __init__(self, longest: int = 1, binary: bool = False, min_texts: int = 1):
        self.longest, self.binary, self.min_texts = longest, binary, min_texts

    def fit(self, tokens: list[np.ndarray], labels=None) -> "NGrams":
        """Learn which n-grams there are: `codes_`, sorted."""
        # Digits count from 1, so that an n-gram and a longer one never are the same number.
        self.base_ = 2 + max(int(ids.max(initial=0)) for ids in tokens)
        codes, texts = np.unique(np.concatenate([np.unique(self.encode(ids)) for ids in tokens]), return_counts=True)
        self.codes_ = codes[texts >= self.min_texts]
        return self

    def transform(self, tokens: list[np.ndarray]) -> csr_array:
        """(texts, n-grams), float64."""
        columns, values = [], []
        for ids in tokens:
            codes, counts = np.unique(self.encode(ids), return_counts=True)
            places = np.searchsorted(self.codes_, codes)
            known = self.codes_.take(places, mode="clip") == codes
            columns.append(places[known].astype(np.int32))
            values.append(counts[known])
        starts = np.concatenate([[0], np.cumsum([len(row) for row in columns])]).astype(np.int32)
        values = np.concatenate(values).astype(np.float64)
        shape = (len(tokens), len(self.codes_))
        return csr_array((np.ones_like(values) if self.binary else values, np.concatenate(columns), starts), shape)

    def encode(self, ids: np.ndarray) -> np.ndarray:
        """The integers of all n-grams of a text, as often as they stand there."""
        digits = codes = ids + 1
        found = [codes]
        for length in range(1, self.longest):
            codes = codes[:-1] * self.base_ + digits[length:]
            found.append(codes)
        return np.concatenate(found)


class LogCountRatio(TransformerMixin, BaseEstimator):
    """Each feature times how much more it says of class 1 than of class 0 (Wang and Manning 2012, section 2.1).

    r = log((alpha + counts in class 1) / their sum) - log((alpha + counts in class 0) / their sum)
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def fit(self, counts: csr_array, labels: np.ndarray) -> "LogCountRatio":
        """(texts, features), (texts,) of 0 and 1 -> `ratio_`, (features,)."""
        logs = []
        for label in (1, 0):
            smoothed = self.alpha + np.asarray(counts[labels == label].sum(axis=0)).ravel()
            logs.append(np.log(smoothed / smoothed.sum()))
        self.ratio_ = logs[0] - logs[1]
        return self

    def transform(self, counts: csr_array) -> csr_array:
        """The same shape, and no zero more."""
        weighted = counts.astype(np.float64)
        weighted.data *= self.ratio_[weighted.indices]
        return weighted


class LexiconScores(TransformerMixin, BaseEstimator):
    """Texts -> (texts, 4): the shares of negative, neutral and positive words, and the compound score.

    VADER (Hutto and Gilbert 2014): 7 500 English words rated by people, and rules for negation, degree and emphasis.
    """

    def fit(self, texts: list[str], labels=None) -> "LexiconScores":
        """Nothing is learned; the words of train, parted by spaces, are counted: `num_tokens_`."""
        self.num_tokens_, self.vocabulary_ = sum(len(text.split()) for text in texts), len(vader_analyzer().lexicon)
        return self

    def transform(self, texts: list[str]) -> np.ndarray:
        """The shares lie between 0 and 1, the compound score between -1 and 1."""
        scores = (vader_analyzer().polarity_scores(re.sub(LINE_BREAK, " ", text)) for text in texts)
        return np.array([[score[name] for name in VADER_SCORES] for score in scores])


@lru_cache(maxsize=1)
def vader_analyzer():
    """The lexicon is read once."""
    with extra_explained("baselines"):
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    return SentimentIntensityAnalyzer()

"""Features of baselines: token ids, n-gram counts, log-count ratios, lexicon scores."""

import re
from functools import lru_cache

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator, TransformerMixin
from tokenizers import Tokenizer

from sentiment_hf.common.errors import extra_explained
from sentiment_hf.text.line_breaks import LINE_BREAK
from sentiment_hf.text.unknown import unknown_share

# More words than a train part in memory has; an n-gram of three ids still fits into a 64-bit integer.
MAX_WORDS = 2**20

# Texts are tokenized in batches, because the encodings of `tokenizers` need much memory.
TEXTS_AT_A_TIME = 1000

# The id of [UNK] in every tokenizer of this package.
UNKNOWN = 1

VADER_SCORES = ("neg", "neu", "pos", "compound")


class Tokens(TransformerMixin, BaseEstimator):
    """Texts -> one array of token ids per text, by the tokenizer of the custom models; texts are not cut.

    `kind` is "word" (words and punctuation marks) or "char". The vocabulary has every token of train.
    """

    def __init__(self, kind: str = "word", lowercase: bool = True):
        self.kind, self.lowercase = kind, lowercase

    def fit(self, texts: list[str], labels=None) -> "Tokens":
        """Learn the vocabulary."""
        self.fit_transform(texts)
        return self

    def fit_transform(self, texts: list[str], labels=None) -> list[np.ndarray]:
        """Learn the vocabulary and return the ids of `texts`.

        Sets `vocabulary_`, the size of the vocabulary, and `num_tokens_`, the number of tokens in `texts`.
        """
        # Imported for training only, because it imports `datasets`.
        from sentiment_hf.text.tokenizers import train_tokenizer

        size = {"vocab_size": MAX_WORDS, "min_frequency": 1, "model_max_length": MAX_WORDS}
        tokenizer = train_tokenizer(texts, self.kind, lowercase=self.lowercase, **size)
        self.tokenizer_, self.vocabulary_ = tokenizer.backend_tokenizer.to_str(), len(tokenizer)
        tokens = self.transform(texts)
        self.num_tokens_ = sum(len(ids) for ids in tokens)
        return tokens

    def unknown_share(self, texts: list[str]) -> float:
        """The fraction of the tokens of `texts` that are not in train."""
        return unknown_share(np.concatenate(self.transform(texts)), UNKNOWN)

    def transform(self, texts: list[str]) -> list[np.ndarray]:
        """One (tokens,) int64 array per text; a word that is not in train has the id of [UNK]."""
        tokenizer = read_tokenizer(self.tokenizer_)
        tokens = []
        for start in range(0, len(texts), TEXTS_AT_A_TIME):
            batch = texts[start : start + TEXTS_AT_A_TIME]
            encoded = tokenizer.encode_batch_fast(batch, add_special_tokens=False)
            tokens += [np.array(text.ids, dtype=np.int64) for text in encoded]
        return tokens


@lru_cache(maxsize=2)
def read_tokenizer(serialized: str) -> Tokenizer:
    """The tokenizer from its JSON; cached, because reading takes longer than the classification of a text."""
    tokenizer = Tokenizer.from_str(serialized)
    # The text "[PAD]" in a review is read as characters, not as the special token.
    tokenizer.encode_special_tokens = True
    return tokenizer


class NGrams(TransformerMixin, BaseEstimator):
    """Token ids -> (texts, n-grams) counts of the n-grams of 1 to `longest` tokens, at most 3.

    binary: 1 in place of each count above 0. min_texts: n-grams in fewer texts of train are ignored.

    An n-gram is encoded as one integer, with its token ids as digits: millions of n-grams are one sorted array, in
    memory and in the saved file.
    """

    def __init__(self, longest: int = 1, binary: bool = False, min_texts: int = 1):
        self.longest, self.binary, self.min_texts = longest, binary, min_texts

    def fit(self, tokens: list[np.ndarray], labels=None) -> "NGrams":
        """Collect the n-grams of train as `codes_`, (n-grams,), sorted."""
        # Digits begin at 1: with a digit 0, n-grams of different length could have the same code.
        self.base_ = 2 + max(int(ids.max(initial=0)) for ids in tokens)
        codes, texts = np.unique(np.concatenate([np.unique(self.encode(ids)) for ids in tokens]), return_counts=True)
        self.codes_ = codes[texts >= self.min_texts]
        return self

    def transform(self, tokens: list[np.ndarray]) -> csr_array:
        """(texts, n-grams) counts, or 0 and 1 if `binary`, as float64."""
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
        """The codes of all n-grams of a text, repeated as in the text."""
        digits = codes = ids + 1
        found = [codes]
        for length in range(1, self.longest):
            codes = codes[:-1] * self.base_ + digits[length:]
            found.append(codes)
        return np.concatenate(found)


class LogCountRatio(TransformerMixin, BaseEstimator):
    """Multiplies each feature by its log-count ratio r of class 1 to class 0 (Wang and Manning 2012, section 2.1).

    r = log(p / sum(p)) - log(q / sum(q)), p = alpha + counts in class 1, q = alpha + counts in class 0
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def fit(self, counts: csr_array, labels: np.ndarray) -> "LogCountRatio":
        """Compute `ratio_`, (features,), from (texts, features) counts and (texts,) labels of 0 and 1."""
        logs = []
        for label in (1, 0):
            smoothed = self.alpha + np.asarray(counts[labels == label].sum(axis=0)).ravel()
            logs.append(np.log(smoothed / smoothed.sum()))
        self.ratio_ = logs[0] - logs[1]
        return self

    def transform(self, counts: csr_array) -> csr_array:
        """(texts, features) weighted counts, as sparse as `counts`."""
        weighted = counts.astype(np.float64)
        weighted.data *= self.ratio_[weighted.indices]
        return weighted


class LexiconScores(TransformerMixin, BaseEstimator):
    """Texts -> (texts, 4): the shares of negative, neutral and positive words, and the compound score.

    VADER (Hutto and Gilbert 2014): 7 500 English words with human ratings, and rules for negation, degree, emphasis.
    """

    def fit(self, texts: list[str], labels=None) -> "LexiconScores":
        """Learn nothing. Sets `num_tokens_`, the words in `texts`, and `vocabulary_`, the size of the lexicon."""
        self.num_tokens_, self.vocabulary_ = sum(len(text.split()) for text in texts), len(vader_analyzer().lexicon)
        return self

    def transform(self, texts: list[str]) -> np.ndarray:
        """(texts, 4) scores: the shares are between 0 and 1, the compound score is between -1 and 1."""
        scores = (vader_analyzer().polarity_scores(re.sub(LINE_BREAK, " ", text)) for text in texts)
        return np.array([[score[name] for name in VADER_SCORES] for score in scores])


@lru_cache(maxsize=1)
def vader_analyzer():
    """The analyzer of VADER, cached; raises InputError if vaderSentiment is not installed."""
    with extra_explained("baselines"):
        from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer
    return SentimentIntensityAnalyzer()

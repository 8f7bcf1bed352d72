"""Linear baselines: a word adds its coefficient times its feature to the decision."""

from collections.abc import Iterator

import numpy as np
from scipy.sparse import csr_array
from sklearn.base import BaseEstimator
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import LinearSVC, LinearSVR

from sentiment_hf.baselines.features import LogCountRatio, NGrams, Tokens, read_tokenizer
from sentiment_hf.baselines.tempered import Tempered
from sentiment_hf.explaining.ngrams import Phrase, Terms, occurrences, phrases_of, sum_over_tokens
from sentiment_hf.explaining.tokens import shares
from sentiment_hf.explaining.words import Spans


def text_steps(estimator: Pipeline) -> list[BaseEstimator]:
    """What makes the features of the text, in order: `Tokens` and `NGrams`, if the baseline reads words."""
    first = estimator[0]
    steps = [step for _, step in estimator.steps[:-1]]
    return [step for _, step in first.transformer_list[0][1].steps][1:] if isinstance(first, FeatureUnion) else steps


def is_linear(estimator: Pipeline) -> bool:
    """Whether a baseline reads n-grams and has coefficients of them."""
    steps = text_steps(estimator)
    return len(steps) > 1 and isinstance(steps[1], NGrams) and coefficients(estimator[-1]) is not None


def coefficients(classifier: BaseEstimator) -> np.ndarray | None:
    """(outputs or 1, features) coefficients of the log-odds or the number; None if it is not linear.

    One row for two classes is that of the second against the first. With several classes each row is known but for a
    constant, if the classes are trained together; else it is that of the class against all others.
    """
    match classifier:
        case LogisticRegression() | LinearSVC():
            return classifier.coef_
        case Tempered():
            inner = coefficients(classifier.classifier)
            return None if inner is None else inner / np.array(classifier.temperatures)[: len(inner), None]
        case Ridge() | LinearSVR():
            return np.atleast_2d(classifier.coef_)
        case TransformedTargetRegressor():
            return coefficients(classifier.regressor_) * classifier.transformer_.scale_
        case MultinomialNB():
            logs = classifier.feature_log_prob_
            return logs[1:] - logs[:1] if len(logs) == 2 else logs
        case CalibratedClassifierCV():
            (only,) = classifier.calibrated_classifiers_
            # Platt's sigmoid is 1 / (1 + exp(a f + b)).
            slopes = np.array([sigmoid.a_ for sigmoid in only.calibrators])
            return -slopes[:, None] * coefficients(only.estimator.estimator)
        case Pipeline(steps=[(_, LogCountRatio() as ratio), (_, linear)]):
            return coefficients(linear) * ratio.ratio_
        case OneVsRestClassifier():
            return one_by_one(classifier)
    return None


def one_by_one(classifier: OneVsRestClassifier) -> np.ndarray:
    """The coefficients of classifiers of their own; 0 for one that has learned nothing, as of a label of all rows."""
    rows = [coefficients(one) for one in classifier.estimators_]
    size = next(row.shape[1] for row in rows if row is not None)
    return np.concatenate([np.zeros((1, size)) if row is None else row for row in rows])


def ngram_terms(estimator: Pipeline, ids: np.ndarray) -> Iterator[Terms]:
    """Yield what words, and n-grams if the baseline reads them, add to the outputs of `coefficients`.

    ids: (tokens,) as `Tokens` reads the text.
    """
    _, ngrams, *weighing = text_steps(estimator)
    features = csr_array(Pipeline([("ngrams", ngrams), *((str(step), step) for step in weighing)]).transform([ids]))
    # The features of the text come first, before those of columns beside it.
    weights = coefficients(estimator[-1])[:, : features.shape[1]].T
    values = np.zeros(features.shape[1])
    values[features.indices] = features.data
    codes, start = ngrams.encode(ids), 0
    for size in range(1, ngrams.longest + 1):
        own = codes[start : start + max(len(ids) + 1 - size, 0)]
        start += len(own)
        place = np.searchsorted(ngrams.codes_, own).clip(max=len(ngrams.codes_) - 1)
        known = np.flatnonzero(ngrams.codes_[place] == own)
        place, share = place[known], occurrences(own)[known]
        yield Terms(size, known, weights[place] * (values[place] / share)[:, None])


def terms_of(estimator: Pipeline, text: str, words: Spans) -> tuple[list[Terms], np.ndarray, csr_array]:
    """The terms of a text, and `special` and `share` of its tokens as in `TokenRow`."""
    tokens: Tokens = text_steps(estimator)[0]
    encoded = read_tokenizer(tokens.tokenizer_).encode(text, add_special_tokens=False)
    special = np.zeros(len(encoded.ids), bool)
    terms = list(ngram_terms(estimator, np.array(encoded.ids, np.int64)))
    return terms, special, shares(encoded.offsets, special, words)


def by_coefficients(estimator: Pipeline, text: str, words: Spans) -> np.ndarray:
    """(words, outputs or 1) what the words add to the decision; in all the difference from a text without words."""
    terms, special, share = terms_of(estimator, text, words)
    scores, _ = sum_over_tokens(terms, special, len(coefficients(estimator[-1])))
    return share @ scores


def phrases_by_coefficients(estimator: Pipeline, text: str, words: Spans) -> Iterator[Phrase]:
    """Yield the n-grams of a text with what they add to the decision."""
    return phrases_of(*terms_of(estimator, text, words))

"""The baselines: features, classifier, and the values of its regularisation that are tried on validation.

Each function takes the untrained tokenizer and the seed, and returns an untrained baseline. The first line of its
docstring is the description in `settings.model_ref.BASELINES`.
"""

from typing import NamedTuple

from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.multiclass import OneVsRestClassifier
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC, LinearSVR

from sentiment_hf.baselines.features import LexiconScores, LogCountRatio, NGrams, Tokens


class Baseline(NamedTuple):
    """An untrained baseline.

    features: from texts to the input of the classifier.
    classifier: a classifier or, for numbers, a regressor.
    grid: the name of a parameter of the classifier -> its values to try, the strongest regularisation first.
    """

    features: Pipeline
    classifier: BaseEstimator
    grid: dict[str, tuple[float, ...]]

    def one_vs_rest(self) -> "Baseline":
        """The baseline with a classifier of its own for each label, for texts with several labels."""
        if isinstance(self.classifier, OneVsRestClassifier):
            return self
        grid = {f"estimator__{name}": values for name, values in self.grid.items()}
        return self._replace(classifier=OneVsRestClassifier(self.classifier), grid=grid)


def majority(tokens: Tokens, seed: int) -> Baseline:
    """The most frequent class of train, with the shares of the classes as probabilities."""
    return Baseline(make_pipeline(tokens), DummyClassifier(strategy="prior"), {})


def lexicon(tokens: Tokens, seed: int) -> Baseline:
    """VADER, an English lexicon, with a logistic regression over its four scores learned on train."""
    return Baseline(make_pipeline(LexiconScores()), LogisticRegression(), {"C": (0.1, 1, 10, 100)})


def naive_bayes_bow(tokens: Tokens, seed: int) -> Baseline:
    """Multinomial naive Bayes on counts of words."""
    return Baseline(bag_of_words(tokens), MultinomialNB(), {"alpha": (10, 3, 1, 0.3, 0.1)})


def naive_bayes_tfidf(tokens: Tokens, seed: int) -> Baseline:
    """Multinomial naive Bayes on TF-IDF of words and pairs of words."""
    return Baseline(tfidf(tokens), MultinomialNB(), {"alpha": (10, 3, 1, 0.3, 0.1)})


def logistic_regression_bow(tokens: Tokens, seed: int) -> Baseline:
    """Logistic regression on counts of words."""
    return Baseline(bag_of_words(tokens), LogisticRegression(max_iter=1000), {"C": (0.003, 0.01, 0.03, 0.1, 0.3, 1)})


def logistic_regression_tfidf(tokens: Tokens, seed: int) -> Baseline:
    """Logistic regression on TF-IDF of words and pairs of words."""
    return Baseline(tfidf(tokens), LogisticRegression(max_iter=1000), {"C": (1, 3, 10, 30, 100)})


def svm_bow(tokens: Tokens, seed: int) -> Baseline:
    """Linear support vector machine on counts of words, its probabilities calibrated on validation."""
    return Baseline(bag_of_words(tokens), linear_svm(seed), {"C": (0.0003, 0.001, 0.003, 0.01, 0.03)})


def svm_tfidf(tokens: Tokens, seed: int) -> Baseline:
    """Linear support vector machine on TF-IDF of words and pairs of words, calibrated on validation."""
    return Baseline(tfidf(tokens), linear_svm(seed), {"C": (0.1, 0.3, 1, 3, 10)})


def nb_svm(tokens: Tokens, seed: int) -> Baseline:
    """NB-SVM: logistic regression on n-grams of 1 to 3 words, each weighted by its naive Bayes log-count ratio.

    Wang and Manning 2012, in the variant of Mesnil et al. 2014 (91.87 % on IMDB, trained on all of train): n-grams are
    binary and include punctuation marks. With more than two classes, each class has its own ratios and weights.
    """
    classifier = LogisticRegression(solver="liblinear", dual=True, max_iter=1000, random_state=seed)
    one_class = make_pipeline(LogCountRatio(), classifier)
    grid = {"estimator__logisticregression__C": (0.01, 0.03, 0.1, 0.3, 1, 3)}
    return Baseline(make_pipeline(tokens, NGrams(3, binary=True)), OneVsRestClassifier(one_class), grid)


def ridge_tfidf(tokens: Tokens, seed: int) -> Baseline:
    """For numbers: ridge regression on TF-IDF of words and pairs of words."""
    return Baseline(tfidf(tokens), standardised(Ridge()), {"regressor__alpha": (30, 10, 3, 1, 0.3, 0.1)})


def svr_tfidf(tokens: Tokens, seed: int) -> Baseline:
    """For numbers: linear support vector regression on TF-IDF of words and pairs of words."""
    regressor = LinearSVR(max_iter=10_000, random_state=seed)
    return Baseline(tfidf(tokens), standardised(regressor), {"regressor__C": (0.03, 0.1, 0.3, 1, 3)})


BASELINES = {
    "baseline-majority": majority,
    "baseline-lexicon": lexicon,
    "baseline-naive-bayes-bow": naive_bayes_bow,
    "baseline-naive-bayes-tfidf": naive_bayes_tfidf,
    "baseline-logistic-regression-bow": logistic_regression_bow,
    "baseline-logistic-regression-tfidf": logistic_regression_tfidf,
    "baseline-svm-bow": svm_bow,
    "baseline-svm-tfidf": svm_tfidf,
    "baseline-nb-svm": nb_svm,
    "baseline-ridge-tfidf": ridge_tfidf,
    "baseline-svr-tfidf": svr_tfidf,
}
# Those that learn numbers; all others learn classes.
FOR_NUMBERS = ("baseline-ridge-tfidf", "baseline-svr-tfidf")


def bag_of_words(tokens: Tokens) -> Pipeline:
    """The count of each word in a text."""
    return make_pipeline(tokens, NGrams(1))


def tfidf(tokens: Tokens) -> Pipeline:
    """TF-IDF of unigrams and bigrams in at least two texts, with 1 + log(count) and rows of L2 norm 1."""
    return make_pipeline(tokens, NGrams(2, min_texts=2), TfidfTransformer(sublinear_tf=True))


def standardised(regressor: RegressorMixin) -> TransformedTargetRegressor:
    """The regressor on numbers with mean 0 and variance 1, so that one grid serves all units."""
    return TransformedTargetRegressor(regressor, transformer=StandardScaler())


def linear_svm(seed: int) -> LinearSVC:
    """A linear support vector machine with squared hinge loss; one-vs-rest for more than two classes."""
    return LinearSVC(max_iter=10_000, random_state=seed)

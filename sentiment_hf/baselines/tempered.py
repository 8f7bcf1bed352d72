"""A fitted baseline that is as sure as it is right: the logits of its probabilities are divided by temperatures."""

import numpy as np
from scipy.sparse import csr_array
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin


class Tempered(ClassifierMixin, BaseEstimator):
    """A fitted `classifier` with logits divided by `temperatures`, one per label if a text can have `several`."""

    def __init__(self, classifier: BaseEstimator, temperatures: tuple[float, ...], several: bool):
        self.classifier, self.temperatures, self.several = classifier, temperatures, several

    def fit(self, features: csr_array, labels: np.ndarray) -> "Tempered":
        """Fit the classifier; the temperatures stay."""
        self.classifier.fit(features, labels)
        return self

    def predict_proba(self, features: csr_array) -> np.ndarray:
        """(rows, classes) probabilities."""
        tiny = np.finfo(np.float64).tiny
        found = self.classifier.predict_proba(features)
        logs = np.log(found.clip(tiny)) / np.array(self.temperatures)
        if self.several:
            # Of each label there are two answers, which belong together.
            return expit(logs - np.log((1 - found).clip(tiny)) / np.array(self.temperatures))
        powers = np.exp(logs - logs.max(axis=1, keepdims=True))
        return powers / powers.sum(axis=1, keepdims=True)

    def __sklearn_is_fitted__(self) -> bool:
        return True

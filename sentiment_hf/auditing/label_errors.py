"""Labels that are likely wrong: what a cheap model says of each row that has not seen its label.

The model is NB-SVM, as in `custom-ngram` and `baseline-nb-svm`, on rows of unit length: without it a long text is too
sure of itself. A fold is fitted in seconds and needs no part to choose by, where five runs of `custom-ngram` take
minutes and find no more: 62.0 % where this finds 62.8 % of the flipped labels of `benchmarks/audit.py`, first draw.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy.sparse import csr_array
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer

from sentiment_hf.baselines.features import LogCountRatio, NGrams
from sentiment_hf.common.errors import InputError

# Of 5 000 reviews of IMDB with 5 % of the labels flipped, 62.7 % of these are among the first 5 % (mean of six draws;
# 60.5 % without unit length, 60.7 % by TF-IDF, 63.2 % by the mean of two models).
STRENGTH = 3.0


def judge(
    tokens: Sequence[np.ndarray],
    labels: np.ndarray,
    groups: np.ndarray,
    others: Sequence[np.ndarray],
    *,
    classes: int,
    folds: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """((rows, classes) probabilities of the rows of train, (others, classes) of rows that are in no fold).

    A row of train is judged by the model of the folds without it. Another row has the mean of all models. A row whose
    class has no row in the other folds is not judged: NaN.

    tokens: (tokens,) ids of each text. labels: (rows,) class ids. groups: (rows,) rows of a group are in one fold.

    Raises InputError if there are fewer groups, or rows of the largest class, than folds, or no two texts have a word
    in common.
    """
    require_folds(labels, groups, folds)
    ngrams = NGrams(3, binary=True, min_texts=2).fit([*tokens])
    if not len(ngrams.codes_):
        raise InputError("no two texts of train have a word in common, so no label can be judged by the others")
    features = ngrams.transform([*tokens])
    beside = ngrams.transform([*others]) if len(others) else None
    inside, outside, judges = np.full((len(labels), classes), np.nan), np.zeros((len(others), classes)), 0
    for known, held_out in split(labels, groups, folds, seed):
        if len(np.unique(labels[known])) < 2:
            # All rows of the other classes are copies of each other.
            continue
        model = fitted(features[known], labels[known])
        inside[held_out] = spread(model, features[held_out], classes)
        inside[held_out[~np.isin(labels[held_out], labels[known])]] = np.nan
        if beside is not None:
            outside += spread(model, beside, classes)
            judges += 1
    return inside, outside / max(judges, 1)


def require_folds(labels: np.ndarray, groups: np.ndarray, folds: int) -> None:
    """Raise InputError if there are fewer groups, or rows of the largest class, than folds."""
    if (most := min(int(np.bincount(labels).max()), len(np.unique(groups)))) < folds:
        raise InputError(
            f"--folds {folds}: the largest class of train has {most} rows, or train has {most} texts that are no "
            "copies of each other; lower it"
        )


def split(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """(rows to learn from, rows to judge) of each fold; the folds have the shares of the classes and whole groups."""
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # It warns of classes with fewer rows than folds, whose rows are judged where they can be.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        return list(splitter.split(labels, labels, groups))


def fitted(features: csr_array, labels: np.ndarray) -> OneVsRestClassifier:
    """NB-SVM on (rows, n-grams) and (rows,) class ids."""
    classifier = LogisticRegression(solver="liblinear", dual=True, max_iter=1000, C=STRENGTH, random_state=0)
    return OneVsRestClassifier(make_pipeline(LogCountRatio(), Normalizer(), classifier)).fit(features, labels)


def spread(model: OneVsRestClassifier, features: csr_array, classes: int) -> np.ndarray:
    """(rows, classes) probabilities; 0 for a class that the model does not know."""
    found = np.zeros((features.shape[0], classes))
    found[:, model.classes_] = model.predict_proba(features)
    return found


def of_labels(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(rows,) the probability of the label of each row."""
    return probabilities[np.arange(len(labels)), labels]


def suggested(
    probabilities: np.ndarray, labels: np.ndarray, thresholds: np.ndarray, decide: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """(rows,) the class that a row more likely has than its label; its label if there is none.

    It is the likeliest of the classes whose probability reaches their threshold: the confident joint of Northcutt et
    al. 2021 (Confident Learning).
    """
    reached = np.where(probabilities >= thresholds, probabilities, -1.0)
    return np.where(reached.max(1) >= 0, decide(reached), labels)


def class_thresholds(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(classes,) the mean probability of a class among the judged rows with its label; more than 1 without any."""
    judged = ~np.isnan(probabilities[:, 0])
    own = of_labels(probabilities, labels)
    rows = [own[judged & (labels == label)] for label in range(probabilities.shape[1])]
    return np.array([found.mean() if len(found) else 2.0 for found in rows])

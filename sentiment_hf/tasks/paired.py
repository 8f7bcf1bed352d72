"""Tests of two models on the same rows."""

import itertools

import numpy as np
from scipy import stats
from scipy.sparse import csr_array

from sentiment_hf.tasks.terms import mean_f1

Interval = dict[str, float]

LEVEL = 0.05
# Of the rows of test; of many kinds of rows, as 150 classes make, fewer, down to a tenth.
REPLICATES, DRAWN = 10_000, 25_000_000


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int, float]:
    """(rows that only the first has right, rows that only the second has, p) of two models, (rows,) true where right.

    The exact test (McNemar 1947) of the hypothesis that on a row that only one classifier has right, each of the two
    is the right one with probability 1/2.
    """
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return only_a, only_b, float(p)


def mean_difference(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of the hypothesis that the means of (rows,) terms of two models are equal over samples of rows.

    The paired test of Student with the normal distribution, which it has on the rows of a test part.
    """
    differences = a - b
    spread = differences.std() / np.sqrt(len(differences))
    return float(2 * stats.norm.sf(abs(differences.mean()) / spread)) if spread else float(differences.mean() == 0)


def terms_difference(a: np.ndarray, b: np.ndarray) -> tuple[Interval, float]:
    """(mean of the (rows,) terms of `a` minus that of `b` with its 95 % interval, p as of `mean_difference`)."""
    differences = a - b
    value, half = float(differences.mean()), 1.959964 * float(differences.std()) / np.sqrt(len(differences))
    return {"value": value, "low": float(value - half), "high": float(value + half)}, mean_difference(a, b)


def f1_difference(labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int) -> tuple[Interval, float]:
    """(macro-F1 of `a` minus that of `b` with its 95 % percentile interval, two-sided p), by a paired bootstrap.

    Test rows are drawn with replacement `REPLICATES` times from a fixed seed (Efron & Tibshirani 1993, chapters 13
    and 16). Rows with the same label and the same two predictions are alike. So their counts are drawn from a
    multinomial distribution, which is equivalent and takes no longer for more rows. p is that of a normal distribution
    with the standard deviation of the draws: the share of draws beyond 0 cannot be smaller than 1 by their number,
    which is too coarse for Holm's correction over many pairs.
    """
    cells, counts = np.unique((labels * classes + a) * classes + b, return_counts=True)
    label, of_a, of_b = cells // classes**2, cells // classes % classes, cells % classes
    chance = np.random.default_rng(0)
    differences = []
    for draws in itertools.repeat(1000, max(1, min(REPLICATES, DRAWN // len(counts)) // 1000)):
        drawn = chance.multinomial(len(labels), counts / len(labels), size=draws)
        differences.append(_f1(drawn, label, of_a, classes) - _f1(drawn, label, of_b, classes))
    differences = np.concatenate(differences)
    value = _f1(counts[None], label, of_a, classes) - _f1(counts[None], label, of_b, classes)
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2])
    spread = differences.std()
    p = 2 * stats.norm.sf(abs(value[0]) / spread) if spread else 1.0
    return {"value": float(value[0]), "low": float(low), "high": float(high)}, float(p)


def _f1(counts: np.ndarray, label: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """(draws, cells) counts of rows -> (draws,) macro-F1; `label` and `prediction` of each cell are (cells,)."""
    # Each cell adds to two classes at most, and these counts are exact as floats.
    cells, counts = np.arange(len(label)), counts.astype(np.float64).T
    ones = np.ones(len(label))
    of_labels, of_predictions = (
        csr_array((ones, (kind, cells)), (classes, len(label))) for kind in (label, prediction)
    )
    hits = csr_array((ones * (label == prediction), (label, cells)), (classes, len(label))) @ counts
    return mean_f1(hits.T, ((of_labels + of_predictions) @ counts).T)

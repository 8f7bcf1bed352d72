"""Tests of two models on the same rows."""

import numpy as np
from scipy import stats


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

"""The test of two methods over seeds and rows: would other seeds, on other rows of the same kind, say the same?

`terms` are (seeds, rows), the terms of a score on the same rows, a line for each run of a method. One line stands for
a method on which the seed has no effect.

The squared standard error of the difference between two mean scores is a sum of three. The rows are common to both
methods, so their part is the mean square over the rows of the difference between the means over the seeds. Each
method adds the variance of its mean over its seeds. That of the rows is known well, that of two or three seeds hardly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import ndtr

# The chi-squared distribution is cut off where less than this lies outside; its grid has so many points.
OUTSIDE, POINTS = 1e-9, 60


@dataclass(frozen=True)
class SeedSpread:
    """`variance` of the score between the seeds of a method, with `freedom` degrees, and the number of `seeds`."""

    variance: float
    freedom: int
    seeds: int

    @classmethod
    def of(cls, terms: np.ndarray) -> "SeedSpread":
        """The spread between the lines of `terms`; 0 for one line."""
        seeds = len(terms)
        return cls(float(terms.mean(1).var(ddof=1)) if seeds > 1 else 0.0, max(seeds - 1, 1), seeds)


def methods_test(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of the hypothesis that two methods have the same mean score over all seeds and rows.

    Each method has a spread of its own. The test is that of Behrens and Fisher with the part of the rows added as
    known: p of the normal distribution, averaged over the fiducial distribution of both seed variances (Fisher 1935;
    Tsui & Weerahandi 1989). `benchmarks/calibration.py` counts its false alarms and its power.
    """
    difference, of_rows = paired_rows(a, b)
    first, second = (_seed_variances(SeedSpread.of(terms)) for terms in (a, b))
    variances = of_rows + first[0][:, None] + second[0]
    if not variances.max():
        return float(difference == 0)
    p = 2 * ndtr(-abs(difference) / np.sqrt(np.maximum(variances, np.finfo(float).tiny)))
    return min(float(first[1] @ p @ second[1]), 1.0)


def shared_test(a: np.ndarray, b: np.ndarray, shared: SeedSpread) -> float:
    """p of the same hypothesis if no method spreads less over its seeds than `shared` says of many methods.

    Student's t with the freedom of `shared`. It can be as small as a correction for many pairs needs, which two or
    three seeds of a method cannot show by themselves. A spread of 0 stays 0.
    """
    difference, of_rows = paired_rows(a, b)
    spreads = [SeedSpread.of(terms) for terms in (a, b)]
    of_seeds = sum(max(own.variance, shared.variance) / own.seeds for own in spreads if own.variance)
    if not of_rows + of_seeds:
        return float(difference == 0)
    return float(2 * stats.t.sf(abs(difference) / np.sqrt(of_rows + of_seeds), shared.freedom if of_seeds else np.inf))


def shared_spread(methods: Sequence[np.ndarray]) -> SeedSpread:
    """The mean seed variance of the methods that spread at all, weighted by freedom; 0 if none does."""
    spreads = [spread for spread in map(SeedSpread.of, methods) if spread.variance]
    freedom = sum(spread.freedom for spread in spreads)
    total = sum(spread.variance * spread.freedom for spread in spreads)
    return SeedSpread(total / freedom if freedom else 0.0, max(freedom, 1), 1)


def paired_rows(a: np.ndarray, b: np.ndarray) -> tuple[float, float]:
    """(difference of the mean scores, its squared standard error over the rows alone if the true one is 0)."""
    differences = a.mean(0) - b.mean(0)
    return float(differences.mean()), float(np.square(differences).mean() / len(differences))


def _seed_variances(spread: SeedSpread) -> tuple[np.ndarray, np.ndarray]:
    """(points,) values of the squared standard error over the seeds, and their fiducial probabilities."""
    if not spread.variance:
        return np.zeros(1), np.ones(1)
    ends = stats.chi2.ppf(OUTSIDE, spread.freedom), stats.chi2.isf(OUTSIDE, spread.freedom)
    points = np.geomspace(*ends, POINTS)
    weights = stats.chi2.pdf(points, spread.freedom) * points
    return spread.variance * spread.freedom / points / spread.seeds, weights / weights.sum()

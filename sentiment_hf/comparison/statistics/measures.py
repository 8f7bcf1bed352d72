"""Scores with intervals, paired tests and rankings, as functions on arrays.

Everywhere `labels` is (rows,) class ids, `predictions` (rows,) or (models, rows).
"""

from collections.abc import Iterator, Sequence

import numpy as np
from scipy import stats

from sentiment_hf.tasks.task import Score
from sentiment_hf.tasks.terms import confidence_bins

Interval = dict[str, float]

LEVEL = 0.05


def interval(terms: np.ndarray, score: Score) -> Interval:
    """Mean of (seeds, rows) terms with a 95 % interval over test rows and, with two seeds or more, over seeds.

    The interval covers other test rows of the same kind and other seeds of the same recipe. It covers neither another
    sample of the training rows nor texts of another kind; with one seed, it covers no other seed. In simulations of
    the accuracy 92 to 97 % of the intervals held the true value, 90 % with two seeds that differed much. The true
    calibration error of a well calibrated model lies below its interval more often than not.

    The squared standard error is the sum of two: that of the rows, each averaged over the seeds, and that of the mean
    over the seeds. Disagreement of the seeds on single rows counts in both, so the interval is rather too wide.
    Student's t has the degrees of freedom of Welch and Satterthwaite, since two or three seeds say little about their
    spread. A share, a score from 0 to 1, gets the interval of Wilson (1927) with the number of rows that gives this
    standard error; for the accuracy of one seed this is the ordinary Wilson interval. Any other score has no upper
    end and gets mean -+ t standard errors, cut at its least value.
    """
    seeds, rows = terms.shape
    mean = float(terms.mean())
    of_seeds = terms.mean(1).var(ddof=1) / seeds if seeds > 1 else 0.0
    variance = terms.mean(0).var() / rows + of_seeds
    freedom = (seeds - 1) * (variance / of_seeds) ** 2 if of_seeds else np.inf
    t = stats.t.ppf(1 - LEVEL / 2, freedom)
    if score.share:
        return wilson(mean, mean * (1 - mean) / variance if variance else rows, t)
    half = t * np.sqrt(variance)
    return {"value": mean, "low": float(max(mean - half, score.least)), "high": float(mean + half)}


def wilson(share: float, rows: float, t: float) -> Interval:
    """The score interval of a share (Wilson 1927); `rows` may be an effective number of rows, `t` is the quantile."""
    # A share computed as a sum may lie outside of 0 to 1 by a rounding error.
    share = min(max(share, 0.0), 1.0)
    centre = share + t**2 / (2 * rows)
    half = t * np.sqrt(share * (1 - share) / rows + t**2 / (4 * rows**2))
    low, high = (np.array([centre - half, centre + half]) / (1 + t**2 / rows)).tolist()
    return {"value": share, "low": min(max(low, 0.0), share), "high": max(min(high, 1.0), share)}


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of a family of tests (Holm 1979), which bound the probability of any false positive."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def alike(differs: np.ndarray) -> list[list[int]]:
    """The largest groups of models in a ranking in which no two differ; `differs` is (models, models), symmetric.

    Every model is in at least one group, and two models that do not differ are together in one. Such groups are the
    letters in a table of Tukey's test. They need not be neighbours: two methods of which little is known can be equal,
    and differ from a trained model between them. The groups are maximal cliques (Bron & Kerbosch 1973, with a pivot).
    """
    equals = [set(np.flatnonzero(~row).tolist()) - {number} for number, row in enumerate(differs)]

    def extended(group: set[int], others: set[int], done: set[int]) -> Iterator[list[int]]:
        if not others and not done:
            yield sorted(group)
            return
        pivot = max(others | done, key=lambda model: len(others & equals[model]))
        for model in sorted(others - equals[pivot]):
            yield from extended(group | {model}, others & equals[model], done & equals[model])
            others, done = others - {model}, done | {model}

    return sorted(extended(set(), set(range(len(differs))), set()))


def pareto(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """(models,) bool: True for a model if no other is better in cost or score and at least as good in both."""
    no_worse = (costs <= costs[:, None]) & (scores >= scores[:, None])
    better = (costs < costs[:, None]) | (scores > scores[:, None])
    return ~(no_worse & better).any(1)


def reliability(confidence: np.ndarray, correct: np.ndarray) -> list[dict]:
    """Mean confidence, accuracy and rows of each of the 15 bins that has rows; both arrays of one shape."""
    bins = confidence_bins(confidence)
    return [
        {
            "confidence": float(confidence[bins == bin].mean()),
            "accuracy": float(correct[bins == bin].mean()),
            "rows": int((bins == bin).sum()),
        }
        for bin in np.unique(bins)
    ]


def quintiles(lengths: np.ndarray) -> np.ndarray:
    """(rows,) lengths -> (rows,) fifths, 0 for the shortest to 4; rows of equal length are in the same fifth."""
    return np.searchsorted(np.quantile(lengths, [0.2, 0.4, 0.6, 0.8]), lengths, side="left")


def most_disputed(predictions: Sequence[np.ndarray], probabilities: Sequence[np.ndarray], count: int) -> np.ndarray:
    """Indices of the rows on which the models disagree most, at most `count`; rows on which all agree are left out.

    predictions: (rows,) numbers of each model. Their entropy over the models orders the rows, largest first.
    probabilities: (rows, outputs) of each model. Their variance over the models, summed over outputs, orders equal
        rows.
    """
    votes = np.stack(predictions)
    shares = (votes[:, None] == votes).mean(1)
    # Rounded: the same split of votes over other predictions gives another sum in floating point.
    entropy = (-np.log(shares)).mean(0).round(9)
    order = np.lexsort((-variance_of(probabilities).sum(-1), -entropy))
    return order[entropy[order] > 0][:count]


def mean_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """As `np.mean(arrays, 0)`, which would copy all of them into one array."""
    return sum(arrays) / len(arrays)


def variance_of(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """As `np.var(arrays, 0)`, without the copy."""
    mean = mean_of(arrays)
    return sum((array - mean) ** 2 for array in arrays) / len(arrays)

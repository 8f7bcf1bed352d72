"""Scores with intervals, paired tests and rankings, as functions on arrays.

Everywhere `labels` is (rows,) class ids, `predictions` (rows,) or (models, rows).
"""

import itertools

import numpy as np
from scipy import stats
from scipy.special import entr

from sentiment_hf.tasks.terms import confidence_bins, macro_f1

Interval = dict[str, float]

LEVEL = 0.05
REPLICATES = 10_000


def interval(terms: np.ndarray, share: bool) -> Interval:
    """Mean of (seeds, rows) terms with a 95 % interval for other test rows of the same kind and, from two seeds on,
    other seeds of the same recipe.

    It does not cover another draw of the training rows, nor texts of another kind; with one seed, no other seed. In
    simulations of the accuracy it held the truth in 92 to 97 of 100 cases, in 90 where two seeds were all and
    differed much; the calibration error of a well calibrated model lies below its interval more often than not.

    The squared standard error is that of the rows, each averaged over the seeds, plus that of the mean over the
    seeds; their disagreement on single rows is in both, so the interval errs on the wide side. Student's t has the
    degrees of freedom of Welch and Satterthwaite, since two or three seeds say little about their spread. A `share`
    gets the interval of Wilson (1927) with the number of rows that gives this standard error; for the accuracy of one
    seed that is the ordinary Wilson interval. Other scores, which have no upper end, get mean -+ t standard errors,
    and none goes below 0.
    """
    seeds, rows = terms.shape
    mean = float(terms.mean())
    of_seeds = terms.mean(1).var(ddof=1) / seeds if seeds > 1 else 0.0
    variance = terms.mean(0).var() / rows + of_seeds
    freedom = (seeds - 1) * (variance / of_seeds) ** 2 if of_seeds else np.inf
    t = stats.t.ppf(1 - LEVEL / 2, freedom)
    if share:
        return wilson(mean, mean * (1 - mean) / variance if variance else rows, t)
    half = t * np.sqrt(variance)
    return {"value": mean, "low": float(max(mean - half, 0)), "high": float(mean + half)}


def wilson(share: float, rows: float, t: float) -> Interval:
    """The score interval of a share (Wilson 1927); `rows` may be an effective number."""
    # A share computed as a sum may be off 0 or 1 by a rounding error.
    share = min(max(share, 0.0), 1.0)
    centre = share + t**2 / (2 * rows)
    half = t * np.sqrt(share * (1 - share) / rows + t**2 / (4 * rows**2))
    low, high = (np.array([centre - half, centre + half]) / (1 + t**2 / rows)).tolist()
    return {"value": share, "low": min(max(low, 0.0), share), "high": max(min(high, 1.0), share)}


def mcnemar(right_a: np.ndarray, right_b: np.ndarray) -> tuple[int, int, float]:
    """(rows that only the first has right, rows that only the second has, p) of two models, (rows,) true where right.

    The exact test (McNemar 1947): given that one of the two is right, either is with a chance of one half.
    """
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = stats.binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return only_a, only_b, float(p)


def f1_difference(labels: np.ndarray, a: np.ndarray, b: np.ndarray, classes: int) -> tuple[Interval, float]:
    """(macro-F1 of `a` minus that of `b` with its 95 % percentile interval, two-sided p), by a paired bootstrap.

    Test rows are drawn with replacement 10 000 times from a fixed seed (Efron & Tibshirani 1993, chapters 13 and 16).
    Rows with the same label and the same two predictions are alike, so their counts are drawn, from the multinomial
    distribution, which is the same and takes no longer for more rows. p is that of the difference in units of the
    standard deviation of the draws: their share beyond 0 could not go below one in 10 000, too few for many pairs.
    """
    cells, counts = np.unique((labels * classes + a) * classes + b, return_counts=True)
    label, of_a, of_b = cells // classes**2, cells // classes % classes, cells % classes
    chance = np.random.default_rng(0)
    differences = []
    for draws in itertools.repeat(1000, REPLICATES // 1000):
        drawn = chance.multinomial(len(labels), counts / len(labels), size=draws)
        differences.append(_f1(drawn, label, of_a, classes) - _f1(drawn, label, of_b, classes))
    differences = np.concatenate(differences)
    value = _f1(counts[None], label, of_a, classes) - _f1(counts[None], label, of_b, classes)
    low, high = np.quantile(differences, [LEVEL / 2, 1 - LEVEL / 2])
    spread = differences.std()
    p = 2 * stats.norm.sf(abs(value[0]) / spread) if spread else 1.0
    return {"value": float(value[0]), "low": float(low), "high": float(high)}, float(p)


def _f1(counts: np.ndarray, label: np.ndarray, prediction: np.ndarray, classes: int) -> np.ndarray:
    """(draws,) macro-F1 of (draws, cells) counts of rows, where a cell has one label and one prediction."""
    # Matrix products of integers are slow in numpy, and these counts are exact as floats.
    counts, one_hot = counts.astype(np.float64), np.eye(classes)
    hits = counts @ (one_hot[label] * (label == prediction)[:, None])
    return macro_f1(hits, counts @ (one_hot[label] + one_hot[prediction]))


def holm(p: np.ndarray) -> np.ndarray:
    """Adjusted p-values of a family of tests (Holm 1979): the chance of any false alarm stays below the level."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)), 1)
    return adjusted


def alike(differs: np.ndarray) -> list[range]:
    """Maximal runs of neighbours in a ranking among which no pair differs; `differs` is (models, models), symmetric.

    Every model is in one at least, as in the letters of a table of Tukey's test.
    """
    runs, end = [], 0
    for start in range(len(differs)):
        stop = start + 1
        while stop < len(differs) and not differs[stop, start:stop].any():
            stop += 1
        if stop > end:
            runs.append(range(start, stop))
            end = stop
    return runs


def pareto(costs: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """True for each model that no other beats in cost or score without losing in the other."""
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
    """The fifth of the rows, 0 to 4, that each row belongs to by its length; equal lengths stay together."""
    return np.searchsorted(np.quantile(lengths, [0.2, 0.4, 0.6, 0.8]), lengths, side="left")


def most_disputed(predictions: np.ndarray, probabilities: np.ndarray, count: int) -> np.ndarray:
    """Rows on which (models, rows) predictions are split most evenly, first those with the largest entropy of votes.

    Of equal ones, those with the largest variance of the (models, rows, classes) probabilities, summed over classes;
    rows on which all agree are none.
    """
    votes = (predictions[..., None] == np.arange(probabilities.shape[-1])).mean(0)
    # Rounded, since the same split is the same entropy whichever class has how many votes.
    entropy = entr(votes).sum(-1).round(9)
    order = np.lexsort((-probabilities.var(0).sum(-1), -entropy))
    return order[entropy[order] > 0][:count]


def contradicted(
    labels: np.ndarray, predictions: np.ndarray, probabilities: np.ndarray, confident: float, count: int
) -> tuple[np.ndarray, np.ndarray]:
    """(rows, mean probability of what is predicted there), the most confident first.

    Rows where all of (models, rows) predictions are the same wrong class and the mean over (models, rows, classes)
    probabilities of that class is `confident` at least. After confident learning (Northcutt et al. 2021).
    """
    first = predictions[0]
    mean = probabilities.mean(0)[np.arange(len(labels)), first]
    wrong = (predictions == first).all(0) & (first != labels) & (mean >= confident)
    rows = np.flatnonzero(wrong)
    rows = rows[np.argsort(-mean[rows], kind="stable")][:count]
    return rows, mean[rows]

"""False alarms and power of the comparison of methods: python benchmarks/calibration.py --rounds 2000

Draws runs of two methods on the same 25 000 test rows. A row has a difficulty that both methods share and one of its
own for each method; every run adds noise on each row, and has an accuracy of its own around that of its method. Runs
agree as those in results/imdb do: of 6 % of the rows, one of two seeds is right. Prints how often `methods_test` calls
two methods different at 5 %, beside plain alternatives: the exact McNemar test of two runs, and the t-test with the
freedom of Welch and Satterthwaite. The last line is about pages of twelve equal methods with three seeds each, whose
spreads are unequal: the share of the pages with any pair that differs.
"""

import argparse
import itertools
from collections.abc import Callable, Iterator

import numpy as np
from scipy import stats
from scipy.special import ndtri

from sentiment_hf.comparison.statistics.measures import LEVEL
from sentiment_hf.comparison.statistics.methods import SeedSpread, methods_test, paired_rows
from sentiment_hf.comparison.statistics.ranking import Side, spread_of, verdicts
from sentiment_hf.tasks.paired import mcnemar
from sentiment_hf.tasks.single_label import SingleLabel
from sentiment_hf.tasks.task import Predicted

TASK = SingleLabel(("wrong", "right"))
ROWS, ACCURACY = 25_000, 0.9

# Shares of the variance of the difficulty of a row: of all methods, of the method, of the run.
SHARED, OWN, NOISE = 0.75, 0.16, 0.09

# Seeds and seed standard deviations in points, of both methods. One seed and 0: the seed has no effect.
EQUAL = [((seeds, seeds), (spread, spread)) for seeds in (2, 3, 5) for spread in (0, 0.1, 0.3, 0.5)]
UNEQUAL = [((seeds, seeds), (low, 0.5)) for seeds in (2, 3, 5) for low in (0, 0.1)]
UNEQUAL += [((2, 5), (0.5, 0.1)), ((2, 5), (0.1, 0.5)), ((3, 1), (0.1, 0)), ((3, 1), (0.5, 0)), ((1, 1), (0, 0))]
POWER = [((seeds, seeds), (spread, spread)) for seeds in (2, 3, 5) for spread in (0, 0.1, 0.3, 0.5)]


def runs_right(
    chance: np.random.Generator, seeds: tuple, spreads: tuple, accuracies: tuple, rows: int = ROWS
) -> list[np.ndarray]:
    """(seeds, rows) bool for each method: the rows that each of its runs has right. Spreads are in points."""
    shared = chance.standard_normal(rows, dtype=np.float32)
    found = []
    for count, spread, accuracy in zip(seeds, spreads, accuracies, strict=True):
        own = chance.standard_normal(rows, dtype=np.float32)
        noise = chance.standard_normal((count, rows), dtype=np.float32)
        difficulty = SHARED**0.5 * shared + OWN**0.5 * own + NOISE**0.5 * noise
        ability = ndtri(accuracy + spread / 100 * chance.standard_normal((count, 1)))
        found.append(difficulty < ability)
    return found


def share_called_different(
    test: Callable[[np.ndarray, np.ndarray], float],
    rounds: int,
    seeds: tuple,
    spreads: tuple,
    points: float = 0,
    rows: int = ROWS,
) -> float:
    """The share of the rounds in which `test` gives p < 5 % for two methods that are `points` apart."""
    chance = np.random.default_rng(0)
    accuracies = (ACCURACY + points / 200, ACCURACY - points / 200)
    return float(np.mean([test(*runs_right(chance, seeds, spreads, accuracies, rows)) < LEVEL for _ in range(rounds)]))


def predicted(right: np.ndarray) -> Predicted:
    """Predictions that are right where (rows,) `right` is true."""
    rows = len(right)
    return Predicted(np.ones(rows, int), right.astype(int), np.full((rows, 2), 0.5))


def share_of_pages_with_a_difference(rounds: int, methods: int = 12, rows: int = ROWS) -> float:
    """The share of pages of equal methods with three seeds each on which any pair differs."""
    chance = np.random.default_rng(0)
    spreads = tuple((0, 0.1, 0.3, 0.5)[index % 4] for index in range(methods))
    alarms = 0
    for _ in range(rounds):
        drawn = runs_right(chance, (3,) * methods, spreads, (ACCURACY,) * methods, rows)
        sides = [Side(TASK, right.astype(float), predicted(right[0]), True) for right in drawn]
        judged = verdicts(list(itertools.combinations(sides, 2)), spread_of(sides))
        alarms += any(pair["differs"] for pair in judged)
    return alarms / rounds


def mcnemar_of_first_runs(a: np.ndarray, b: np.ndarray) -> float:
    """p of the exact McNemar test of the first run of each method."""
    return mcnemar(a[0], b[0])[2]


def welch(a: np.ndarray, b: np.ndarray) -> float:
    """p of Student's t with the freedom of Welch and Satterthwaite, which the part of the rows raises too."""
    difference, of_rows = paired_rows(a, b)
    spreads = [SeedSpread.of(terms) for terms in (a, b)]
    parts = [spread.variance / spread.seeds for spread in spreads]
    variance = of_rows + sum(parts)
    least = sum(part**2 / spread.freedom for part, spread in zip(parts, spreads, strict=True))
    return float(2 * stats.t.sf(abs(difference) / variance**0.5, variance**2 / least if least else np.inf))


def table(cases: list, rounds: int, points: float) -> Iterator[str]:
    """The lines of a Markdown table: shares in percent of the rounds that are called different."""
    yield "| seeds | spread (points) | seeds and rows | Welch's t | McNemar of one run each |"
    yield "|---|---|---:|---:|---:|"
    for seeds, spreads in cases:
        tests = (methods_test, welch, mcnemar_of_first_runs)
        shares = [100 * share_called_different(test, rounds, seeds, spreads, points) for test in tests]
        named = [" and ".join(map(str, pair)) for pair in (seeds, spreads)]
        yield f"| {' | '.join([*named, *(f'{share:.1f}' for share in shares)])} |"


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=2000)
    rounds = parser.parse_args().rounds
    for title, cases, points in (
        ("False alarms (%) at 5 %, two equal methods", [*EQUAL, *UNEQUAL], 0),
        ("Found (%) at 5 %, two methods 1 point apart", POWER, 1),
    ):
        print(f"\n{title}:\n", flush=True)
        for line in table(cases, rounds, points):
            print(line, flush=True)
    share = share_of_pages_with_a_difference(rounds // 10)
    print(f"\nPages of 12 equal methods with any difference after Holm's correction: {100 * share:.1f} %")


if __name__ == "__main__":
    main()

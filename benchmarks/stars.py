"""Three ways to learn stars, side by side: python benchmarks/stars.py results/stars results/stars-as-numbers

Reads finished runs, or published ones, of --task ordinal (with the head corn and with plain classes) and of --task
regression on the same test rows, and prints a line of Markdown for each method: the means over its seeds. A number is
taken for the star that is nearest to it.
"""

import sys
from collections import defaultdict
from pathlib import Path

import numpy as np

from sentiment_hf.common.markdown import markdown_table
from sentiment_hf.runs.finished import Run, load_runs_in
from sentiment_hf.tasks.numeric_terms import absolute_error_terms, quadratic_kappa_terms
from sentiment_hf.tasks.regression import Regression

HEADER = ("method", "seeds", "quadratic kappa", "MAE", "within one (%)", "right (%)")


def stars_of(run: Run) -> tuple[np.ndarray, np.ndarray]:
    """(rows,) stars of the test rows, and those that the run gives them."""
    if run.task.name == Regression.name:
        known = np.unique(run.labels)
        nearest = np.abs(run.predictions[:, None] - known).argmin(1)
        return run.labels, known[nearest]
    return run.task.values[run.labels], run.task.values[run.predictions]


def scores_of(run: Run) -> tuple[float, ...]:
    """Quadratic kappa, MAE, and the shares within one star and right, in percent."""
    labels, chosen = stars_of(run)
    far = absolute_error_terms(labels, chosen)
    return quadratic_kappa_terms(labels, chosen).mean(), far.mean(), 100 * (far <= 1).mean(), 100 * (far == 0).mean()


def main(folders: list[str]) -> None:
    """Print the table, best kappa first."""
    methods = defaultdict(list)
    for run in [run for folder in folders for run in load_runs_in(Path(folder))]:
        how = run.task.settings.get("head", "numbers")
        methods[f"{run.report.model}, {run.report.tuning}, {how}"].append(scores_of(run))
    means = {name: np.mean(scores, axis=0) for name, scores in methods.items()}
    lines = [
        (name, len(methods[name]), f"{kappa:.4f}", f"{mae:.3f}", f"{within:.1f}", f"{right:.1f}")
        for name, (kappa, mae, within, right) in sorted(means.items(), key=lambda pair: -pair[1][0])
    ]
    print("\n".join(markdown_table(HEADER, lines)))


if __name__ == "__main__":
    main(sys.argv[1:])

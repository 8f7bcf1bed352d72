"""What learned weights gain over equal ones on few validation rows: python benchmarks/ensemble_weights.py results/imdb

For samples of the validation rows of a published comparison, learns the weights of several ensembles and prints the
mean difference of the log-loss on all test rows to that of equal weights, with its standard error: learned as
`sentiment-hf ensemble` does, and without its prior. A minus is a gain.
"""

import argparse
from pathlib import Path

import numpy as np

from sentiment_hf.runs.finished import load_runs_in
from sentiment_hf.tasks.pooling import PRIOR_ROWS, likelihood_weights
from sentiment_hf.tasks.single_label import probability_of
from sentiment_hf.tasks.task import Predicted
from sentiment_hf.tasks.terms import SMALLEST

# Seeds of one recipe, members that are about as good, and members of different quality.
ENSEMBLES = {
    "three seeds of gru": ["custom-gru-seed0", "custom-gru-seed1", "custom-gru-seed2"],
    "three seeds of textcnn": ["custom-textcnn-seed0", "custom-textcnn-seed1", "custom-textcnn-seed2"],
    "gru, textcnn": ["custom-gru-seed0", "custom-textcnn-seed0"],
    "gru, textcnn, nb-svm": ["custom-gru-seed0", "custom-textcnn-seed0", "baseline-nb-svm-seed0"],
    "gru, textcnn, majority, lexicon": [
        *("custom-gru-seed0", "custom-textcnn-seed0", "baseline-majority-seed0", "baseline-lexicon-seed0")
    ],
}


def main() -> None:
    """Print a line for each ensemble."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=60, help="rows of each sample of validation")
    parser.add_argument("--samples", type=int, default=200)
    args = parser.parse_args()
    runs = {run.name: run for run in load_runs_in(args.folder)}
    for name, members in ENSEMBLES.items():
        parts = ([getattr(runs[member], part) for member in members] for part in ("validation", "test"))
        validation, test = map(likelihoods, parts)
        print(f"{name:<33}", *(shown(validation, test, args, prior) for prior in (PRIOR_ROWS, 1e-6)), flush=True)


def likelihoods(members: list[Predicted]) -> np.ndarray:
    """(rows, members) the probability that each member gives to the label of the row."""
    return np.stack([probability_of(one.labels, one.probabilities) for one in members], axis=1).clip(SMALLEST)


def shown(validation: np.ndarray, test: np.ndarray, args: argparse.Namespace, prior: float) -> str:
    """The mean difference over the samples, as text; both arrays are (rows, members) likelihoods."""
    chance, equal = np.random.default_rng(0), np.log(test.mean(axis=1)).mean()
    samples = [chance.choice(len(validation), args.rows, replace=False) for _ in range(args.samples)]
    found = [equal - np.log(test @ likelihood_weights(validation[rows], prior)).mean() for rows in samples]
    return f"{np.mean(found):+.4f} +- {np.std(found) / np.sqrt(args.samples):.4f}   "


if __name__ == "__main__":
    main()

"""What learned weights gain over equal ones on few validation rows: python benchmarks/ensemble_weights.py results/imdb

For samples of the validation rows of a published comparison, learns the weights of several ensembles and prints two
mean differences of the log-loss on all test rows, with their standard errors: of learned weights to equal ones, both
of logits, and to the plain mean of the probabilities. Then, for weights that all validation rows have learned, the
difference to that mean in log-loss and in points of accuracy. A minus is a gain, of accuracy a plus.
"""

import argparse
from pathlib import Path

import numpy as np

from sentiment_hf.inference.ensemble import Ensemble
from sentiment_hf.runs.finished import load_runs_in
from sentiment_hf.tasks.single_label import probability_of
from sentiment_hf.tasks.task import Predicted, Task
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
        validation, test = ([getattr(runs[member], part) for member in members] for part in ("validation", "test"))
        print(f"{name:<33}", shown(validation, test, runs[members[0]].task, args), flush=True)


def shown(validation: list[Predicted], test: list[Predicted], task: Task, args: argparse.Namespace) -> str:
    """The differences, as text."""
    chance, rows = np.random.default_rng(0), len(validation[0].labels)
    labels = test[0].labels
    equal, mean = (pooled(test, task, np.full(len(test), 1 / len(test)), of_logits) for of_logits in (True, False))
    losses = []
    for _ in range(args.samples):
        chosen = np.zeros(rows, dtype=bool)
        chosen[chance.choice(rows, args.rows, replace=False)] = True
        losses.append(log_loss(pooled(test, task, task.pool_weights(validation, chosen)), labels))
    found = [f"{np.mean(losses) - log_loss(one, labels):+.4f}" for one in (equal, mean)]
    spread = np.std(losses) / np.sqrt(args.samples)
    best = pooled(test, task, task.pool_weights(validation, np.ones(rows, dtype=bool)))
    right = [100 * (one.argmax(1) == labels).mean() for one in (best, mean)]
    gain = f"{log_loss(best, labels) - log_loss(mean, labels):+.4f} {right[0] - right[1]:+.2f}"
    return f"{found[0]} {found[1]} +- {spread:.4f}   {gain}"


def pooled(members: list[Predicted], task: Task, weights: np.ndarray, of_logits: bool = True) -> np.ndarray:
    """(rows, classes) probabilities of the ensemble."""
    probabilities = np.stack([one.probabilities for one in members])
    ensemble = Ensemble("weights", task, [], weights, of_logits)
    return ensemble.combine(probabilities, task.decide(probabilities))


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The mean log-loss."""
    return -np.log(probability_of(labels, probabilities).clip(SMALLEST)).mean()


if __name__ == "__main__":
    main()

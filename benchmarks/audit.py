"""What an audit finds of planted faults: python benchmarks/audit.py --dataset path/to/imdb

Flips 5 % of the labels of 5 000 rows of train, seed by seed, and prints the share of them among the 5 % of the rows
whose label is the least likely, and among the rows that the audit lists. Then adds copies of 50 of 4 000 rows with
another end, the last 40 characters of other rows, and prints how many are found as near duplicates.
"""

import argparse
from dataclasses import replace

import datasets
import numpy as np

from sentiment_hf.auditing.audit import judge_labels
from sentiment_hf.auditing.near_duplicates import find_copies
from sentiment_hf.baselines.features import Tokens
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.splits import Splits, load_splits
from sentiment_hf.settings.arguments import DataArguments

FLIPPED_ROWS, SHARE, COPIED_ROWS, COPIES, CHANGED = 5000, 0.05, 4000, 50, 40


def flipped(splits: Splits, seed: int) -> tuple[Splits, np.ndarray]:
    """The splits with the class of some rows of train replaced by another one, and (rows,) True for these rows."""
    chance, train = np.random.default_rng(seed), splits.train
    chosen = np.zeros(len(train), bool)
    chosen[chance.permutation(len(train))[: int(SHARE * len(train))]] = True
    classes = len(splits.task.labels)
    others = (train.labels + chance.integers(1, classes, len(train))) % classes
    return replace(splits, train=replace(train, labels=np.where(chosen, others, train.labels))), chosen


def flipped_found(splits: Splits, seed: int) -> str:
    """How many flipped rows are among the first, and among those that are listed."""
    planted, chosen = flipped(splits, seed)
    rows = LabelledTexts.joined([planted.train, planted.validation, planted.test])
    tokens = Tokens().fit_transform(rows.texts)
    judged = judge_labels(planted, tokens, find_copies(tokens, rows.digests), folds=5, seed=42)
    train = len(chosen)
    first = np.argsort(judged.probability[:train], kind="stable")[: int(SHARE * train)]
    listed = judged.suggested[:train] != np.array(planted.task.as_text(planted.train.labels), object)
    return (
        f"{chosen[first].mean():.1%} of the first {len(first)} rows are flipped; {listed.sum()} rows are listed, of "
        f"them {chosen[listed].sum()} of the {chosen.sum()} flipped ones"
    )


def copies_found(texts: list[str], seed: int) -> int:
    """How many copies with another end are found."""
    chance = np.random.default_rng(seed)
    of, ends = chance.permutation(len(texts))[:COPIES], chance.permutation(len(texts))[:COPIES]
    rows = [*texts, *(texts[row][:-CHANGED] + texts[end][-CHANGED:] for row, end in zip(of, ends, strict=True))]
    part = LabelledTexts.of(rows, np.zeros(len(rows), int))
    group = find_copies(Tokens().fit_transform(rows), part.digests).group
    return sum(group[len(texts) + place] == group[row] >= 0 for place, row in enumerate(of))


def main() -> None:
    """Print a line for each seed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dataset", default="imdb")
    parser.add_argument("--seeds", type=int, default=3)
    args = parser.parse_args()
    datasets.disable_progress_bars()
    few = {"max_eval_samples": 100, "max_predict_samples": 100}
    for count in (FLIPPED_ROWS, COPIED_ROWS):
        splits = load_splits(DataArguments(dataset_name=args.dataset, max_train_samples=count, **few))
        for seed in range(args.seeds):
            if count == FLIPPED_ROWS:
                print(f"seed {seed}: {flipped_found(splits, seed)}", flush=True)
            else:
                print(f"seed {seed}: {copies_found(splits.train.texts, seed)} of {COPIES} copies found", flush=True)


if __name__ == "__main__":
    main()

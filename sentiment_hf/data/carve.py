"""Take validation or test from train: rows at random, or whole groups of rows, with the shares of the classes kept."""

import logging
import math
from collections import Counter

import numpy as np
from datasets import ClassLabel, Dataset, Features, Value

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.groups import choose_groups

logger = logging.getLogger(__name__)

# The column with the number of the group of each row. Train has it if whole groups are taken.
GROUP = "group"


def rows_of_share(size: float, rows: int, split: str) -> int:
    """The number of rows of a part with this share of all rows; raises InputError if `size` is no share."""
    if not 0 < size < 1:
        raise InputError(f"--{split}_size {size:g}: expected a share of train between 0 and 1.")
    return math.ceil(size * rows)


def carve(train: Dataset, count: int, seed: int, split: str, needs_all: bool) -> tuple[Dataset, Dataset]:
    """(rest, part): `count` rows become the part, about so many if the groups of the column GROUP stay whole.

    Without groups the rows are those of `train_test_split(count, stratify_by_column="label", seed=seed)`, in order.

    needs_all: the part needs rows of every class. Otherwise rare classes stay in train, which is said.

    Raises:
        InputError: train, or a part that `needs_all`, would lack a class; the message names `split`.
    """
    labels = np.array(train["label"][:])
    if count >= len(labels):
        raise InputError(
            f"--{split}_size: {count} rows were to become {split}, and train has {len(labels)}; lower it."
        )
    names = train.features["label"]
    if GROUP in train.column_names:
        chosen = choose_groups(labels, np.array(train[GROUP][:]), count / len(labels), seed)
        _refuse_large_groups(chosen, count, split)
    else:
        chosen = _random_rows(labels, count, seed)
    rest, part = set(labels[~chosen]), set(labels[chosen])
    if missing := sorted(set(labels) - (rest & part if needs_all else rest)):
        rarest = min(missing, key=Counter(labels.tolist()).__getitem__)
        raise InputError(
            f"No {split} part is given, and {count} of {len(labels)} rows cannot be set aside with rows of every "
            f"class: the class {names.int2str(int(rarest))!r} has a count of {(labels == rarest).sum()}. "
            f"Add rows, merge classes, name a --{split}_file or raise --{split}_size."
        )
    if missing := sorted(set(labels) - part):
        logger.warning("No row of %s is in %s: too rare.", ", ".join(map(names.int2str, map(int, missing))), split)
    return train.select(np.flatnonzero(~chosen)), train.select(np.flatnonzero(chosen))


def _random_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(rows,) True for `count` rows of which each class has its share; if that is impossible, for nearly so many."""
    features = Features({"label": ClassLabel(num_classes=int(labels.max()) + 1), "row": Value("int64")})
    rows = Dataset.from_dict({"label": labels, "row": np.arange(len(labels))}, features=features)
    try:
        taken = rows.train_test_split(count, stratify_by_column="label", seed=seed)["test"]["row"][:]
    except ValueError:
        # The library wants two rows of each class, and a row of each on both sides.
        taken = [row for row in stratified(labels, count, seed) if (labels == labels[row]).sum() > 1]
    return np.isin(np.arange(len(labels)), taken)


def _refuse_large_groups(chosen: np.ndarray, count: int, split: str) -> None:
    """Raise InputError if whole groups leave less than half or take more than twice of the rows that were wanted."""
    if not count / 2 <= chosen.sum() <= 2 * count:
        raise InputError(
            f"{chosen.sum()} rows can become {split} if groups stay whole, and about {count} were wanted: the groups "
            f"are too large. Name a --{split}_file, a column with smaller groups by --group_column_name, or give "
            "--validation_split random."
        )


def stratified(labels: np.ndarray, count: int, seed: int) -> list[int]:
    """Sorted row numbers, `count` of them, in which each class keeps its share.

    labels: (rows,). With the same seed a smaller sample is a subset of a larger one.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    share = np.empty(len(labels))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        share[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return sorted(order[np.argsort(share[order], kind="stable")[:count]].tolist())

"""Take validation or test from train: rows at random, or whole groups of rows, with the shares of the classes kept."""

import logging
import math

import numpy as np
from datasets.utils.stratify import stratified_shuffle_split_generate_indices

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.groups import choose_groups
from sentiment_hf.tasks.task import Task

logger = logging.getLogger(__name__)


def rows_of_share(size: float, rows: int, split: str) -> int:
    """The number of rows of a part with this share of all rows; raises InputError if `size` is no share."""
    if not 0 < size < 1:
        raise InputError(f"--{split}_size {size:g}: expected a share of train between 0 and 1.")
    return math.ceil(size * rows)


def carve(
    train: LabelledTexts,
    count: int,
    seed: int,
    split: str,
    *,
    needs_all: bool,
    groups: np.ndarray | None,
    task: Task,
) -> tuple[LabelledTexts, LabelledTexts]:
    """(rest, part): `count` rows become the part, about so many if groups of rows stay whole.

    Without groups the rows of classes are those of `train_test_split(count, stratify_by_column="label", seed=seed)` of
    datasets, in the order of train.

    needs_all: the part needs rows of every class. Otherwise rare classes stay in train, which is said.
    groups: (rows of the table,) the number of the group of each row.

    Raises:
        InputError: train, or a part that `needs_all`, would lack a class; the message names `split`.
    """
    strata = task.strata(train.labels)
    if count >= len(train):
        raise InputError(f"--{split}_size: {count} rows were to become {split}, and train has {len(train)}; lower it.")
    if groups is not None:
        chosen = choose_groups(strata, groups[train.rows], count / len(train), seed)
        _refuse_large_groups(chosen, count, split)
    else:
        chosen = _random_rows(strata, count, seed)
    rest, part = train.select(~chosen), train.select(chosen)
    never, from_rest, from_part = (task.absent(side.labels) for side in (train, rest, part))
    needed = [*from_rest, *from_part] if needs_all and task.needs_all else from_rest
    if missing := [name for name in needed if name not in never]:
        counts = task.counted(train.labels)
        rarest = min(missing, key=lambda name: (counts[name], task.labels.index(name)))
        raise InputError(
            f"No {split} part is given, and {count} of {len(train)} rows cannot be set aside with rows of every "
            f"class: the class {rarest!r} has a count of {counts[rarest]}. "
            f"Add rows, name a --{split}_file, raise --{split}_size, or leave rare classes out by --min_class_rows 2 "
            "(--rare_classes merge makes them one class)."
        )
    if missing := [name for name in from_part if name not in never]:
        logger.warning("No row of %s is in %s: too rare.", ", ".join(missing), split)
    return rest, part


def _random_rows(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(rows,) True for `count` rows of which each class has its share; if that is impossible, for nearly so many."""
    chosen = np.zeros(len(labels), dtype=bool)
    generator = np.random.default_rng(seed)
    draws = stratified_shuffle_split_generate_indices(labels, len(labels) - count, count, generator)
    try:
        _, taken = next(draws)
    except ValueError:
        # The library wants two rows of each class, and a row of each on both sides.
        counts, taken = np.bincount(labels), stratified(labels, count, seed)
        taken = taken[counts[labels[taken]] > 1]
    chosen[taken] = True
    return chosen


def _refuse_large_groups(chosen: np.ndarray, count: int, split: str) -> None:
    """Raise InputError if whole groups leave less than half or take more than twice of the rows that were wanted."""
    if not count / 2 <= chosen.sum() <= 2 * count:
        raise InputError(
            f"{chosen.sum()} rows can become {split} if groups stay whole, and about {count} were wanted: the groups "
            f"are too large. Name a --{split}_file, a column with smaller groups by --group_column_name, or give "
            "--validation_split random."
        )


def stratified(labels: np.ndarray, count: int, seed: int) -> np.ndarray:
    """(count,) sorted row numbers, in which each class keeps its share.

    labels: (rows,). With the same seed a smaller sample is a subset of a larger one.
    """
    order = np.random.default_rng(seed).permutation(len(labels))
    share = np.empty(len(labels))
    for label in np.unique(labels):
        rows = order[labels[order] == label]
        share[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.sort(order[np.argsort(share[order], kind="stable")[:count]])

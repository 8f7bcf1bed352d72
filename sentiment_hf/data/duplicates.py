"""Rows whose text stands twice, word for word: in two parts, or in one."""

from itertools import permutations

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.tasks.task import Task


def count_duplicates(parts: dict[str, LabelledTexts]) -> dict[str, int]:
    """{"A_in_B": number of rows of the part A whose text is in the part B} for every pair of parts."""
    pairs = permutations(parts, 2)
    return {f"{a}_in_{b}": int(np.isin(parts[a].digests, parts[b].digests).sum()) for a, b in pairs}


def count_repeated(part: LabelledTexts) -> int:
    """The number of rows whose text stands in an earlier row of the same part."""
    return len(part) - len(np.unique(part.digests))


def count_all_duplicates(parts: dict[str, LabelledTexts]) -> dict[str, int]:
    """As `count_duplicates`, and {"within_A": rows of the part A whose text stands in an earlier row of it}."""
    return count_duplicates(parts) | {f"within_{part}": count_repeated(rows) for part, rows in parts.items()}


def without_duplicates(train: LabelledTexts, other: LabelledTexts, task: Task) -> LabelledTexts:
    """Train without the rows whose text is in the other part.

    Raises InputError if a class loses its last row.
    """
    kept = train.select(~np.isin(train.digests, other.digests))
    refuse_lost_class(train, kept, task, "--deduplicate")
    return kept


def refuse_lost_class(before: LabelledTexts, after: LabelledTexts, task: Task, flag: str) -> None:
    """Raise InputError, which names the flag, if a class has rows before and none after."""
    known = task.absent(before.labels)
    if lost := [name for name in task.absent(after.labels) if name not in known]:
        raise InputError(f"{flag} leaves no row of the class {lost[0]!r} in train; every class needs one.")

"""Rows whose text stands twice, word for word: in two parts, or in one."""

from collections.abc import Sequence
from itertools import permutations

import numpy as np

from sentiment_hf.common.errors import InputError
from sentiment_hf.common.labelled_texts import LabelledTexts


def count_duplicates(parts: dict[str, LabelledTexts]) -> dict[str, int]:
    """{"A_in_B": number of rows of the part A whose text is in the part B} for every pair of parts."""
    pairs = permutations(parts, 2)
    return {f"{a}_in_{b}": int(np.isin(parts[a].digests, parts[b].digests).sum()) for a, b in pairs}


def count_repeated(part: LabelledTexts) -> int:
    """The number of rows whose text stands in an earlier row of the same part."""
    return len(part) - len(np.unique(part.digests))


def without_duplicates(train: LabelledTexts, other: LabelledTexts, names: Sequence[str]) -> LabelledTexts:
    """Train without the rows whose text is in the other part.

    Raises InputError if one of the classes `names` loses its last row.
    """
    kept = train.select(~np.isin(train.digests, other.digests))
    refuse_lost_class(train, kept, names, "--deduplicate")
    return kept


def refuse_lost_class(before: LabelledTexts, after: LabelledTexts, names: Sequence[str], flag: str) -> None:
    """Raise InputError, which names the flag, if one of the classes `names` has rows before and none after."""
    if lost := set(before.labels.tolist()) - set(after.labels.tolist()):
        raise InputError(f"{flag} leaves no row of the class {names[min(lost)]!r} in train; every class needs one.")

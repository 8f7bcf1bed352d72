"""Rows whose text stands twice, word for word: in two parts, or in one."""

import hashlib
from itertools import permutations

from datasets import Dataset

from sentiment_hf.common.errors import InputError


def text_digests(part: Dataset) -> list[bytes]:
    """A digest of each text."""
    return [hashlib.blake2b(text.encode(), digest_size=16).digest() for text in part["text"][:]]


def count_duplicates(parts: dict[str, Dataset]) -> dict[str, int]:
    """{"A_in_B": number of rows of the part A whose text is in the part B} for every pair of parts."""
    digests = {name: text_digests(part) for name, part in parts.items()}
    known = {name: set(found) for name, found in digests.items()}
    return {f"{a}_in_{b}": sum(digest in known[b] for digest in digests[a]) for a, b in permutations(digests, 2)}


def count_repeated(part: Dataset) -> int:
    """The number of rows whose text stands in an earlier row of the same part."""
    digests = text_digests(part)
    return len(digests) - len(set(digests))


def without_duplicates(train: Dataset, other: Dataset) -> Dataset:
    """Train without the rows whose text is in the other part; raises InputError if a class loses its last row."""
    known = set(text_digests(other))
    kept = train.select([row for row, digest in enumerate(text_digests(train)) if digest not in known])
    refuse_lost_class(train, kept, "--deduplicate")
    return kept


def refuse_lost_class(before: Dataset, after: Dataset, flag: str) -> None:
    """Raise InputError, which names the flag, if a class has rows before and none after."""
    if lost := set(before["label"][:]) - set(after["label"][:]):
        raise InputError(
            f"{flag} leaves no row of the class {before.features['label'].int2str(min(lost))!r} in train; every class "
            "needs one."
        )

"""What can be wrong with a row besides its label, and the other row that shows it."""

from collections.abc import Callable, Iterable

import numpy as np

from sentiment_hf.auditing.near_duplicates import Copies
from sentiment_hf.auditing.rows import AuditedRows
from sentiment_hf.data.splits import PARTS

# The kinds of problems, the most serious first, as the table and the page name them.
LABEL, OTHER_LABEL, LEAK = "likely label error", "same text, other label", "text of another part"
COPY, NEAR = "copy in its part", "near duplicate in its part"
EMPTY, LONG, LANGUAGE = "empty text", "very long text", "other language"
KINDS = (LABEL, OTHER_LABEL, LEAK, COPY, NEAR, EMPTY, LONG, LANGUAGE)

# A text of so many times the characters of the median text, and of at least so many, is very long.
TIMES_MEDIAN, LEAST_LONG = 10, 1000

# The rows with a problem, and for each the other row that shows it, if there is one.
Found = dict[int, int | None]


def copies_found(rows: AuditedRows, copies: Copies) -> dict[str, Found]:
    """The rows of each kind that has to do with copies.

    A row of train is a leak if its text, or nearly its text, is in validation or test too, and one of validation if it
    is in test: the row that can be taken away is named, not the one that measures.
    """
    rank = np.array([PARTS.index(part) for part in rows.parts])
    found: dict[str, Found] = {OTHER_LABEL: {}, LEAK: {}, COPY: {}, NEAR: {}}
    for group in members(copies.group):
        same = {digest: group[rows.digests[group] == digest] for digest in rows.digests[group]}
        for place, row in enumerate(group):
            copied = same[rows.digests[row]]
            before = group[:place][rank[group[:place]] == rank[row]]
            others = {
                OTHER_LABEL: copied[rows.labels[copied] != rows.labels[row]],
                LEAK: nearest(row, group[rank[group] > rank[row]], copies),
                COPY: np.intersect1d(before, copied),
            }
            if not len(others[COPY]):
                others[NEAR] = nearest(row, before, copies)
            for kind, shown in others.items():
                if len(shown):
                    found[kind][int(row)] = int(shown[0])
    return found


def members(groups: np.ndarray) -> Iterable[np.ndarray]:
    """(rows,) ascending, of each group of two rows or more."""
    order = np.argsort(groups, kind="stable")
    order = order[groups[order] >= 0]
    return np.split(order, np.flatnonzero(np.diff(groups[order])) + 1) if len(order) else []


def nearest(row: int, others: np.ndarray, copies: Copies) -> np.ndarray:
    """Other rows of a group, the partner of this row first if it is among them."""
    return others[np.argsort(others != copies.partner[row], kind="stable")]


def odd_lengths(rows: AuditedRows) -> dict[str, Found]:
    """The rows whose text is empty or very long."""
    lengths = np.array([len(text) for text in rows.texts])
    empty = np.array([not text.strip() for text in rows.texts], bool)
    limit = max(TIMES_MEDIAN * float(np.median(lengths)), LEAST_LONG)
    return {EMPTY: alone(empty), LONG: alone(lengths > limit)}


def alone(chosen: np.ndarray) -> Found:
    """The rows where (rows,) `chosen` is true, which no other row shows."""
    return dict.fromkeys(np.flatnonzero(chosen).tolist())


def in_words(kind: str, row: int, other: int | None, copies: Copies, named: Callable[[int], str]) -> str:
    """A problem of a row, with the other row as `named` names it, and what both have in common."""
    if other is None:
        return kind
    share = f" ({copies.common[row]:.0%} in common)" if kind == NEAR and copies.partner[row] == other else ""
    return f"{kind}: {named(other)}{share}"

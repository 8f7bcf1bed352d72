"""Groups of rows that belong together, such as the reviews of one film, and a split that parts none of them."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

# A capital and three small letters or more, Latin, Greek or Cyrillic: names of films and people, and some other words.
NAME = re.compile(r"\b[A-Z\u00c0-\u00de\u0391-\u03a9\u0410-\u042f][a-z\u00df-\u00ff\u03ac-\u03ce\u0430-\u045f]{3,}\b")
# A name in more texts than this says little about what a text is about.
MOST_TEXTS = 30
# The weight of shared names from which two texts belong together. A name in two of 25 000 texts weighs 0.87, one in 30
# of them 0.44: two very rare names are enough, or three of the others.
LINKED = 1.267
BLOCK = 4096


def text_groups(texts: Sequence[str], largest: int) -> np.ndarray:
    """(rows,) the number of the group of each text. A text without a partner is a group of its own.

    Two texts belong together if they share rare names: words with a capital that stand in 2 to 30 texts. A name in n
    of N texts weighs (1 - log n / log N)^2. Groups are connected components. Those with more rows than `largest` are
    held together by common words and not by a subject; they get the number -1.
    """
    # Imported where groups are looked for only: most runs take their rows at random.
    from scipy import sparse
    from scipy.sparse.csgraph import connected_components

    names = _names(texts)
    rows = len(texts)
    frequency = np.asarray(names.sum(0)).ravel()
    weight = (1 - np.log(frequency) / np.log(max(rows, 2))) ** 2
    links = sparse.vstack(list(_links(names, weight)), format="csr")
    _, groups = connected_components(links, directed=False)
    sizes = np.bincount(groups, minlength=rows)
    return np.where(sizes[groups] > largest, -1, groups)


def _names(texts: Sequence[str]) -> "sparse.csr_array":
    """(texts, names) 1 if the name is in the text, for the names in 2 to 30 texts."""
    from scipy import sparse

    ids: dict[str, int] = {}
    found = [np.fromiter({ids.setdefault(name, len(ids)) for name in NAME.findall(text)}, int) for text in texts]
    ends = np.cumsum([0, *map(len, found)])
    columns = np.concatenate([*found, np.empty(0, int)]).astype(int)
    matrix = sparse.csr_array((np.ones(len(columns)), columns, ends), shape=(len(texts), len(ids))).tocsc()
    frequency = np.diff(matrix.indptr)
    return matrix[:, np.flatnonzero((frequency >= 2) & (frequency <= MOST_TEXTS))].tocsr()


def _links(names: "sparse.csr_array", weight: np.ndarray) -> Iterator["sparse.csr_array"]:
    """(block, texts) nonzero for two texts that belong together, by blocks of texts."""
    weighted = (names * weight[None, :]).tocsr().T.tocsc()
    for start in range(0, names.shape[0], BLOCK):
        block = names[start : start + BLOCK]
        shared = (block @ weighted).tocsr()
        shared.data[shared.data <= LINKED] = 0
        shared.eliminate_zeros()
        yield shared


def column_groups(cells: Iterable) -> np.ndarray:
    """(rows,) the number of the group of each row: rows with the same value in a column."""
    numbers: dict = {}
    return np.array([numbers.setdefault(cell, len(numbers)) for cell in cells], dtype=int)


def share_with_partner(groups: np.ndarray) -> float:
    """The share of rows that are in a group of two or more rows."""
    _, place, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    return float(np.mean(sizes[place] > 1)) if len(groups) else 0.0


def choose_groups(labels: np.ndarray, groups: np.ndarray, size: float, seed: int) -> np.ndarray:
    """(rows,) True for about `size` of the rows: whole groups, with the shares of the classes that `labels` have.

    labels: (rows,) class ids. groups: (rows,); rows of the group -1 are never chosen.

    Groups are tried in random order. A group is chosen if the classes come nearer to the wanted numbers of rows.
    """
    numbers, place = np.unique(groups, return_inverse=True)
    counts = np.zeros((len(numbers), labels.max() + 1))
    np.add.at(counts, (place, labels), 1)
    missing = size * counts.sum(0)
    chosen = np.zeros(len(numbers), dtype=bool)
    for group in np.random.default_rng(seed).permutation(len(numbers)):
        rows = counts[group]
        # The squared distance to the wanted numbers, after minus before.
        if numbers[group] >= 0 and rows @ (rows - 2 * missing) < 0:
            chosen[group] = True
            missing = missing - rows
    return chosen[place]

"""Texts that are nearly the same: candidates by MinHash (Broder 1997), each verified by the words themselves."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from sentiment_hf.common.errors import extra_explained

# Two texts are near duplicates from this share of common word trigrams on, among all that they have.
LEAST_COMMON = 0.7
# Numbers of a signature, in bands. Texts with one equal band are compared: nearly all unlike pairs have none, and of
# those with just this share all but 2 in 10 000 have one.
PERMUTATIONS, BANDS = 128, 32
# A text is compared with so many before it that share a band: a thousand forms of one letter are no million pairs.
COMPARED = 20
SPREAD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True)
class Copies:
    """Texts that are the same or nearly the same.

    group: (texts,) the number of the group of each text, from 0; -1 for a text that is like no other.
    partner: (texts,) the text of the group that each one is most like; -1 as above.
    common: (texts,) the share of word trigrams that it has in common with it; 1 for the same trigrams.
    """

    group: np.ndarray
    partner: np.ndarray
    common: np.ndarray


def find_copies(tokens: Sequence[np.ndarray], digests: np.ndarray) -> Copies:
    """The texts with copies or near duplicates, as connected components.

    tokens: (tokens,) ids of each text. digests: (texts,) equal for equal texts.
    """
    # Imported for an audit only, because it takes half a second.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    _, first, place = np.unique(digests, return_index=True, return_inverse=True)
    links = [(row, int(first[place[row]]), 1.0) for row in range(len(digests)) if first[place[row]] != row]
    links += near_links([trigrams(tokens[row]) for row in first], first)
    rows, others, common = (np.array(values) for values in zip(*links, strict=True)) if links else np.empty((3, 0))
    rows, others = rows.astype(int), others.astype(int)
    graph = coo_array((np.ones(len(rows)), (rows, others)), shape=(len(digests), len(digests)))
    _, components = connected_components(graph, directed=False)
    partner, best = np.full(len(digests), -1), np.zeros(len(digests))
    for row, other, share in [*zip(rows, others, common, strict=True), *zip(others, rows, common, strict=True)]:
        if share > best[row]:
            partner[row], best[row] = other, share
    group = np.full(len(digests), -1)
    group[partner >= 0] = np.unique(components[partner >= 0], return_inverse=True)[1]
    return Copies(group, partner, best)


def trigrams(ids: np.ndarray) -> np.ndarray:
    """(trigrams,) uint64, a sorted number for each different run of three words; a shorter text is one run."""
    padded = np.pad(ids.astype(np.uint64) + np.uint64(1), (0, max(3 - len(ids), 0)))
    # A vocabulary has at most 2^20 words, so three ids are one number of 64 bits.
    codes = padded[:-2] << np.uint64(42) | padded[1:-1] << np.uint64(21) | padded[2:]
    return np.unique(codes)


def near_links(codes: Sequence[np.ndarray], rows: np.ndarray) -> Iterator[tuple[int, int, float]]:
    """Yield (row, other row, share of common trigrams) of verified near duplicates that are not yet connected.

    codes: the `trigrams` of each text. rows: (texts,) the rows that they are of.
    """
    roots = list(range(len(codes)))
    for text, other in candidates(codes):
        if root(roots, text) != root(roots, other):
            share = jaccard(codes[text], codes[other])
            if share >= LEAST_COMMON:
                roots[root(roots, text)] = root(roots, other)
                yield int(rows[text]), int(rows[other]), share


def candidates(codes: Sequence[np.ndarray]) -> Iterator[tuple[int, int]]:
    """Yield pairs of texts whose signatures have an equal band."""
    width = PERMUTATIONS // BANDS
    found = np.ascontiguousarray(signatures(codes))
    for band in range(BANDS):
        keys = np.ascontiguousarray(found[:, band * width : (band + 1) * width]).view(f"V{4 * width}").ravel()
        _, keys = np.unique(keys, return_inverse=True)
        order = np.argsort(keys, kind="stable")
        for texts in np.split(order, np.flatnonzero(np.diff(keys[order])) + 1):
            for place in range(1, len(texts)):
                for other in texts[max(place - COMPARED, 0) : place][::-1]:
                    yield int(texts[place]), int(other)


def signatures(codes: Sequence[np.ndarray]) -> np.ndarray:
    """(texts, PERMUTATIONS) uint32 MinHash signatures."""
    with extra_explained("audit"):
        from rensa import RMinHash
    mixed = np.concatenate(codes) * SPREAD
    offsets = np.cumsum([0, *map(len, codes)]).astype(np.uint64)
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(mixed ^ mixed >> np.uint64(32), offsets, PERMUTATIONS, 0)
    return np.array(matrix.to_rows(), np.uint32)


def root(roots: list[int], text: int) -> int:
    """The text that stands for all that this one is connected with; the way to it becomes shorter."""
    while roots[text] != text:
        roots[text] = roots[roots[text]]
        text = roots[text]
    return text


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """The size of the intersection of two sets over that of their union."""
    common = len(np.intersect1d(one, other, assume_unique=True))
    return common / (len(one) + len(other) - common)

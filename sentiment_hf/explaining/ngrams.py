"""A sum over n-grams as a sum over the tokens that they are of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array


@dataclass(frozen=True)
class Terms:
    """What the n-grams of one length add to the outputs, where they stand in a text.

    size: the number of tokens of an n-gram.
    starts: (terms,) the place of the first token of each.
    weights: (terms, outputs). An n-gram that occurs again has its share at each place.
    """

    size: int
    starts: np.ndarray
    weights: np.ndarray


def occurrences(codes: np.ndarray) -> np.ndarray:
    """(n,) codes of the n-grams of a text -> (n,) how often each of them is there."""
    _, place, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return counts[place]


def sum_over_tokens(terms: Iterable[Terms], special: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
    """(tokens, outputs) scores, and (outputs,) the sum of the terms that are of special tokens only.

    An n-gram counts in equal parts for those of its tokens that are not `special`, (tokens,) bool.
    """
    scores, rest = np.zeros((len(special), outputs)), np.zeros(outputs)
    for one in terms:
        places = one.starts[:, None] + np.arange(one.size)
        own = ~special[places]
        count = own.sum(1)
        rest += one.weights[count == 0].sum(0)
        parts = own[:, :, None] * (one.weights / np.maximum(count, 1)[:, None])[:, None]
        np.add.at(scores, places, parts)
    return scores, rest


@dataclass(frozen=True)
class Phrase:
    """An n-gram of a text, of two tokens or more, and what it adds to the outputs where it stands.

    words: the places of its words. at_start: whether it begins with the special token before a text.
    """

    words: tuple[int, ...]
    at_start: bool
    weights: np.ndarray


def phrases_of(terms: Iterable[Terms], special: np.ndarray, share: csr_array) -> Iterator[Phrase]:
    """Yield the n-grams that have a weight; `special` and `share` are those of `TokenRow`."""
    columns = share.tocsc()
    first = columns.indices[np.minimum(columns.indptr[:-1], columns.nnz - 1)] if columns.nnz else None
    for one in terms:
        for start, weights in zip(one.starts.tolist(), one.weights, strict=True):
            own = [place for place in range(start, start + one.size) if not special[place]]
            if one.size > 1 and own and first is not None and weights.any():
                yield Phrase(tuple(dict.fromkeys(first[own].tolist())), bool(special[start]), weights)

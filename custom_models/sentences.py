"""How a hierarchical model cuts a text into sentences, and weighs their words and the sentences by attention."""

import torch
from torch import Tensor, nn
from transformers.utils import logging

from .base import Pooling

logger = logging.get_logger(__name__)


def cut_into_sentences(
    ids: Tensor, mask: Tensor, ends: list[int], most: int, longest: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Find the sentences of texts that are padded on the right.

    A sentence goes on to the last of the `ends` that stand together, so "What?!" is one. A longer one than `longest`
    tokens is cut into several, and no token of it is lost. Of a text with more than `most` sentences the first are
    kept.

    Args:
        ids, mask: (batch, length).
        ends: the ids of the tokens that end a sentence.

    Returns:
        places: (batch, sentences, words) the position of each word in the text.
        words: (batch, sentences, words) bool, true at each word.
        slots: (batch, length) the place of each token among the sentences * words; of what is left out, the number
            of these places.
    """
    positions = torch.arange(ids.shape[1], device=ids.device).expand_as(ids)
    is_end = torch.isin(ids, torch.tensor(ends, device=ids.device))
    begins = ~is_end
    begins[:, 1:] &= is_end[:, :-1]
    begins[:, 0] = True
    # How far each token is behind the beginning of its sentence.
    distance = positions - positions.masked_fill(~begins, 0).cummax(1).values
    word = distance % longest
    sentence = (word == 0).cumsum(1) - 1
    found = int(sentence[mask].max()) + 1
    if found > most:
        logger.warning_once(f"texts of more sentences are cut to max_sentences={most}")
    sentences, length = min(found, most), int(word[mask].max()) + 1
    slots = (sentence * length + word).masked_fill(~mask | (sentence >= most), sentences * length)
    shape = len(ids), sentences * length + 1
    places = positions.new_zeros(shape).scatter(1, slots, positions)[:, :-1]
    words = mask.new_zeros(shape).scatter(1, slots, True)[:, :-1]
    return places.view(len(ids), sentences, length), words.view(len(ids), sentences, length), slots


def score_by_hidden_layer(pooling: Pooling, size: int):
    """Let attention compare tanh(W h + b), and not the state h itself, with its learned query (Yang et al., eq. 5)."""
    pooling.score = nn.Sequential(nn.Linear(size, size), nn.Tanh(), nn.Linear(size, 1, bias=False))

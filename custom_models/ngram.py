"""A linear model over hashed n-grams, scaled by their log-count ratios: NB-SVM as a model of the Hub.

Wang & Manning 2012, with logistic regression and trigrams as in Mesnil et al. 2014; hashing as in fastText (Joulin et
al. 2017). It has no hidden layer, and for longer texts it is hard to beat.
"""

from collections.abc import Iterable, Iterator

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import initialization as init

from .base import TextClassifier, TextClassifierConfig, TextModel

# The odd number next to 2^63 / golden ratio spreads neighbouring ids over the high bits (Knuth, TAOCP 3, 6.4).
MULTIPLIER = 0x4F1BBCDCBFA53E0B


@strict
class NGramConfig(TextClassifierConfig):
    """A score per class for each word and each of its n-grams, `num_buckets` of them; `hidden_size` is not used."""

    model_type = "custom-ngram"

    embedding_size: int | None = None
    initializer_range: float | int = 0.001
    ngram_size: int = 3
    num_buckets: int = 2**20


class NGramForSequenceClassification(TextClassifier, TextModel):
    """The sum over the distinct words and n-grams of a text; how often one stands there has no say.

    Each has a vector, by default one number per class, and a scale that is not trained: how much it tells of the
    classes in the training texts, as `prepare` counts it. Words have vectors of their own, n-grams share buckets.
    A bag has no vector for a single token, so this model is no `TextEncoder`.
    """

    config_class = NGramConfig

    def __init__(self, config: NGramConfig):
        config.embedding_size = config.embedding_size or config.num_labels
        super().__init__(config)

    def build(self, config: NGramConfig):
        """Vectors of the n-grams, scales, `classifier`."""
        self.ngrams = nn.Embedding(config.num_buckets, config.embedding_size)
        self.register_buffer("word_scale", torch.ones(config.vocab_size))
        self.register_buffer("ngram_scale", torch.ones(config.num_buckets))
        self.classifier = nn.Linear(config.embedding_size, config.num_labels)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """(batch, length), (batch, length) -> (batch, embedding_size)."""
        if ids is None:
            raise ValueError("this model reads n-grams of ids; inputs_embeds cannot stand in for them")
        (words, first), *ngrams = self.distinct(ids, mask)
        total = weighed_sum(self.embed(words), self.word_scale[words] * first)
        for buckets, first in ngrams:
            total = total + weighed_sum(self.ngrams(buckets), self.ngram_scale[buckets] * first)
        return total

    def distinct(self, ids: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For the words, then each longer n-gram: (batch, n) sorted ids or buckets, and true at the first of each."""
        hashed = ids
        yield new_ones(ids, mask)
        for size in range(2, min(self.config.ngram_size, ids.shape[1]) + 1):
            # Whole numbers of 64 bits wrap around.
            hashed = (hashed[:, :-1] + 1) * MULTIPLIER + ids[:, size - 1 :]
            buckets = (hashed * MULTIPLIER >> 20).remainder(self.config.num_buckets)
            yield new_ones(buckets, mask[:, size - 1 :])

    @torch.no_grad()
    def prepare(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]):
        """Scales from (batch, length) ids, mask and (batch,) labels: the largest |log-count ratio| over the classes.

        The ratio of a class is log((1 + texts of it with the n-gram) / all such) - log(the same of the other classes)
        (Wang & Manning 2012, section 2.3). What stands in no text has the scale 0, as nothing is known of it.
        """
        counts = [torch.zeros(self.config.num_labels, len(scale)) for scale in (self.word_scale, self.ngram_scale)]
        for ids, mask, labels in batches:
            for size, (codes, first) in enumerate(self.distinct(ids, mask)):
                table = counts[min(size, 1)]
                rows = labels.unsqueeze(1).expand_as(codes)[first]
                table.index_put_((rows, codes[first]), torch.ones(()), accumulate=True)
        self.word_scale.copy_(largest_ratio(counts[0]))
        self.ngram_scale.copy_(largest_ratio(counts[1]))

    def set_input_embeddings(self, table: nn.Embedding):
        """A word that is new has the scale 1."""
        super().set_input_embeddings(table)
        scale = torch.ones(table.num_embeddings).to(self.word_scale)
        kept = min(len(scale), len(self.word_scale))
        scale[:kept] = self.word_scale[:kept]
        self.word_scale = scale

    @torch.no_grad()
    def _init_weights(self, module: nn.Module):
        super()._init_weights(module)
        if module is self:
            init.ones_(self.word_scale)
            init.ones_(self.ngram_scale)
        elif module is self.classifier:
            # Each number of a vector begins as the score of a class.
            init.eye_(module.weight)


def new_ones(codes: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, n) codes and mask -> codes sorted by text, true at the first of each code that the mask lets through."""
    # What is masked goes to the end, behind every code.
    ordered, order = codes.masked_fill(~mask, torch.iinfo(codes.dtype).max).sort(1)
    first = mask.gather(1, order)
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    return codes.gather(1, order), first


def weighed_sum(vectors: Tensor, weights: Tensor) -> Tensor:
    """(batch, n, size), (batch, n) -> (batch, size)."""
    return (vectors * weights.unsqueeze(-1)).sum(1)


def largest_ratio(counts: Tensor) -> Tensor:
    """(classes, codes) numbers of texts -> (codes,) largest absolute log-count ratio of a class; 0 without a text."""
    others = counts.sum(0) - counts
    shares = [(1 + part).log() - (1 + part).sum(1, keepdim=True).log() for part in (counts, others)]
    return (shares[0] - shares[1]).abs().amax(0) * counts.any(0)

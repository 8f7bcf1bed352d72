"""A linear model over hashed n-grams that are scaled by their log-count ratios: NB-SVM as a Hugging Face model.

Wang & Manning 2012, with logistic regression and trigrams as in Mesnil et al. 2014; hashing as in fastText (Joulin et
al. 2017). The model has no hidden layer. On longer texts it is a strong baseline.
"""

from collections.abc import Iterable, Iterator

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import initialization as init

from .base import TextClassifier, TextClassifierConfig, TextModel

# The odd number next to 2^63 / golden ratio. It spreads neighbouring ids over the high bits (Knuth, TAOCP 3, 6.4).
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
    """A sum over the distinct words and n-grams of a text. How often each occurs has no effect.

    Each word and n-gram has a vector, by default with one number per class, and a scale. The scale is not trained:
    `prepare` computes it from the training texts, larger for n-grams that differ more between classes. Each word has
    its own vector; n-grams with the same hash share one. The model has no vector for a single token and is therefore
    not a `TextEncoder`.
    """

    config_class = NGramConfig

    def __init__(self, config: NGramConfig):
        config.embedding_size = config.embedding_size or config.num_labels
        super().__init__(config)

    def build(self, config: NGramConfig):
        """Create the vectors of the n-grams, the scales and `classifier`."""
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
        """For words, then for each longer n-gram: (batch, n) sorted ids or buckets, and true at the first of each."""
        hashed = ids
        yield new_ones(ids, mask)
        for size in range(2, min(self.config.ngram_size, ids.shape[1]) + 1):
            # Integers of 64 bits wrap around without an error.
            hashed = (hashed[:, :-1] + 1) * MULTIPLIER + ids[:, size - 1 :]
            buckets = (hashed * MULTIPLIER >> 20).remainder(self.config.num_buckets)
            yield new_ones(buckets, mask[:, size - 1 :])

    @torch.no_grad()
    def prepare(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]):
        """Set the scale of each n-gram to its largest |log-count ratio| over the classes.

        `batches` are (batch, length) ids, (batch, length) mask, (batch,) labels. The ratio of a class is log p - log q
        (Wang & Manning 2012, section 2.3): p is 1 + the number of texts of the class with the n-gram, divided by the
        sum of these numbers over all n-grams; q is the same for the other classes. An n-gram that is in no text has
        the scale 0.
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
        """Replace the embedding table. Words that it adds have the scale 1."""
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
            # At first each number of a vector is the score of a class.
            init.eye_(module.weight)


def new_ones(codes: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, n) codes, mask -> (batch, n) codes sorted in each text, true at the first of equal codes in the mask."""
    # Codes outside of the mask get the largest number and are sorted to the end.
    ordered, order = codes.masked_fill(~mask, torch.iinfo(codes.dtype).max).sort(1)
    first = mask.gather(1, order)
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    return codes.gather(1, order), first


def weighed_sum(vectors: Tensor, weights: Tensor) -> Tensor:
    """(batch, n, size) vectors, (batch, n) weights -> (batch, size) sums."""
    return (vectors * weights.unsqueeze(-1)).sum(1)


def largest_ratio(counts: Tensor) -> Tensor:
    """(classes, codes) numbers of texts -> (codes,) largest |log-count ratio| over the classes; 0 for no texts."""
    others = counts.sum(0) - counts
    shares = [(1 + part).log() - (1 + part).sum(1, keepdim=True).log() for part in (counts, others)]
    return (shares[0] - shares[1]).abs().amax(0) * counts.any(0)

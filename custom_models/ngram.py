"""A linear model over hashed n-grams that are scaled by their log-count ratios: NB-SVM as a Hugging Face model.

Wang & Manning 2012, with logistic regression and trigrams as in Mesnil et al. 2014; hashing as in fastText (Joulin et
al. 2017). The model has no hidden layer. On longer texts it is a strong baseline.
"""

from collections.abc import Iterable, Iterator

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import initialization as init

from .base import TextClassifier, TextClassifierConfig, TextModel, num_scores

# The odd number next to 2^63 / golden ratio. It spreads neighbouring ids over the high bits (Knuth, TAOCP 3, 6.4).
MULTIPLIER = 0x4F1BBCDCBFA53E0B
# No n-gram has this hash: of 64 bits the hash of an n-gram has 44.
LARGEST = torch.iinfo(torch.int64).max
# Places of the table in which n-grams are counted, of four bytes.
SKETCH = 2**25
# Numbers in the vectors of exact n-grams. With their gradients and the two moments of Adam they take 512 MiB.
LARGEST_TABLE = 2**25
# Codes that are sorted together.
MANY = 2**22


@strict
class NGramConfig(TextClassifierConfig):
    """A score per class for each word and each of its n-grams, at most `num_buckets`; `hidden_size` is not used.

    With `exact`, each n-gram that is in two training texts or more has a row of its own, and others have none. If
    there are more than `num_buckets`, or than 2^25 numbers have room for (many classes), the most frequent ones have
    one. `prepare` finds them and sets `num_buckets` to their number. Without `exact`, each n-gram has one of
    `num_buckets` rows by its hash and shares it with others.
    """

    model_type = "custom-ngram"

    embedding_size: int | None = None
    initializer_range: float | int = 0.001
    ngram_size: int = 3
    num_buckets: int = 2**20
    exact: bool = False


class NGramForSequenceClassification(TextClassifier, TextModel):
    """A sum over the distinct words and n-grams of a text. How often each occurs has no effect.

    Each word and n-gram has a vector, by default with one number per class, and a scale. The scale is not trained:
    `prepare` computes it from the training texts, larger for n-grams that differ more between classes. The model has
    no vector for a single token and is therefore not a `TextEncoder`.
    """

    config_class = NGramConfig

    def __init__(self, config: NGramConfig):
        config.embedding_size = config.embedding_size or num_scores(config)
        if config.exact:
            config.num_buckets = min(config.num_buckets, LARGEST_TABLE // config.embedding_size)
        super().__init__(config)

    def build(self, config: NGramConfig):
        """Create the vectors of the n-grams, the scales and `classifier`."""
        self.ngrams = nn.Embedding(config.num_buckets, config.embedding_size)
        self.register_buffer("word_scale", torch.ones(config.vocab_size))
        self.register_buffer("ngram_scale", torch.ones(config.num_buckets))
        if config.exact:
            # The hashes of the n-grams, sorted; the vector of an n-gram is in the row of its hash.
            self.register_buffer("codes", torch.full((config.num_buckets,), LARGEST))
        self.build_classifier(config, config.embedding_size)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """(batch, length), (batch, length) -> (batch, embedding_size)."""
        if ids is None:
            raise ValueError("this model reads n-grams of ids; inputs_embeds cannot stand in for them")
        (words, first), *ngrams = self.distinct(ids, mask)
        total = weighed_sum(self.embed(words), self.word_scale[words] * first)
        for codes, first in ngrams:
            rows, known = self.rows_of(codes)
            total = total + weighed_sum(self.ngrams(rows), self.ngram_scale[rows] * (first & known))
        return total

    def distinct(self, ids: Tensor, mask: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """For words, then for each longer n-gram: (batch, n) sorted ids or codes, and true at the first of each.

        A code is the hash of an n-gram, or its row if rows are shared.
        """
        for before, codes in enumerate(self.in_order(ids)):
            yield new_ones(codes, mask[:, before:])

    def in_order(self, ids: Tensor) -> Iterator[Tensor]:
        """For words, then for each longer n-gram: (batch, n) ids or codes, in the order of the text."""
        hashed = ids
        yield ids
        for size in range(2, min(self.config.ngram_size, ids.shape[1]) + 1):
            # Integers of 64 bits wrap around without an error.
            hashed = (hashed[:, :-1] + 1) * MULTIPLIER + ids[:, size - 1 :]
            codes = hashed * MULTIPLIER >> 20
            yield codes if self.config.exact else codes.remainder(self.config.num_buckets)

    def rows_of(self, codes: Tensor) -> tuple[Tensor, Tensor | bool]:
        """(batch, n) codes of n-grams -> their rows, and true where an n-gram has one."""
        if not self.config.exact:
            return codes, True
        rows = torch.searchsorted(self.codes, codes).clamp(max=len(self.codes) - 1)
        return rows, self.codes[rows] == codes

    @torch.no_grad()
    def prepare(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]):
        """Set the scale of each n-gram to its largest |log-count ratio| over the classes.

        `batches` are (batch, length) ids, (batch, length) mask, and labels. The ratio of a class is log p - log q
        (Wang & Manning 2012, section 2.3): p is 1 + the number of texts of the class with the n-gram, divided by the
        sum of these numbers over all n-grams; q is the same for the other texts. An n-gram that is in no text has the
        scale 0. Labels are (batch,) ids from 0, or (batch, num_labels) bool if a text can have several. The ids of a
        regression, which has one output, are 0 and 1.
        """
        if self.config.exact:
            self.find_ngrams(batches)
        groups = max(self.config.num_labels, 2)
        counts = [torch.zeros(groups + 1, len(scale)) for scale in (self.word_scale, self.ngram_scale)]
        for ids, mask, labels in batches:
            texts, classes = members(labels, groups)
            for size, (codes, first) in enumerate(self.distinct(ids, mask)):
                rows, known = self.rows_of(codes) if size else (codes, True)
                rows, first = rows[texts], (first & known)[texts]
                places = classes.unsqueeze(1).expand_as(rows)[first]
                counts[min(size, 1)].index_put_((places, rows[first]), torch.ones(()), accumulate=True)
        for scale, found in zip((self.word_scale, self.ngram_scale), counts, strict=True):
            of_all = found[groups] if labels.dim() > 1 else found.sum(0)
            scale.copy_(largest_ratio(found[:groups], of_all))

    def find_ngrams(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]):
        """Set `codes` to the n-grams in two texts or more, the `num_buckets` most frequent ones if there are more.

        They are counted in a table with fewer places than n-grams, to bound the memory; those that share a place with
        others are counted again one by one. If these become too many, the ones that were rarest until there are
        forgotten.
        """
        places = torch.zeros(SKETCH, dtype=torch.int32)
        for codes in self.ngrams_of(batches):
            places.index_put_((codes.remainder(SKETCH),), torch.ones((), dtype=torch.int32), accumulate=True)
        least = 2
        while (places > least).sum() >= self.config.num_buckets:
            least += 1
        found, counts = torch.empty(0, dtype=torch.int64), torch.empty(0, dtype=torch.int64)
        for many in joined(codes[places[codes.remainder(SKETCH)] >= least] for codes in self.ngrams_of(batches)):
            new, new_counts = many.unique(return_counts=True)
            found, place = torch.cat([found, new]).unique(return_inverse=True)
            counts = torch.zeros_like(found).index_add_(0, place, torch.cat([counts, new_counts]))
            if len(found) > 2 * self.config.num_buckets:
                kept = counts.topk(self.config.num_buckets, sorted=False).indices.sort().values
                found, counts = found[kept], counts[kept]
        often = counts.argsort(descending=True, stable=True)[: self.config.num_buckets]
        self.resize_ngrams(found[often[counts[often] >= 2]].sort().values)

    def ngrams_of(self, batches: Iterable[tuple[Tensor, Tensor, Tensor]]) -> Iterator[Tensor]:
        """Yield the codes of the distinct n-grams of two words or more of each text, a batch at a time."""
        for ids, mask, _ in batches:
            _, *ngrams = self.distinct(ids, mask)
            yield torch.cat([codes[first] for codes, first in ngrams] or [ids.new_empty(0)])

    def resize_ngrams(self, codes: Tensor):
        """Keep as many vectors of n-grams as there are `codes`, at least one; a new model has no others."""
        self.codes = codes if len(codes) else torch.full((1,), LARGEST)
        self.config.num_buckets = len(self.codes)
        self.ngrams = nn.Embedding(len(self.codes), self.config.embedding_size)
        self._init_weights(self.ngrams)
        self.ngram_scale = torch.ones(len(self.codes))

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
            if self.config.exact:
                init.constant_(self.codes, LARGEST)
        elif module is self.classifier and not self.config.reads_columns:
            # At first each number of a vector is the score of a class.
            init.eye_(module.weight)


def new_ones(codes: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """(batch, n) codes, mask -> (batch, n) codes sorted in each text, true at the first of equal codes in the mask."""
    # Codes outside of the mask get the largest number and are sorted to the end.
    ordered, order = codes.masked_fill(~mask, torch.iinfo(codes.dtype).max).sort(1)
    first = mask.gather(1, order)
    first[:, 1:] &= ordered[:, 1:] != ordered[:, :-1]
    return codes.gather(1, order), first


def joined(parts: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield the values of several parts together, about `MANY` at a time."""
    waiting, size = [], 0
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= MANY:
            yield torch.cat(waiting)
            waiting, size = [], 0
    if waiting:
        yield torch.cat(waiting)


def weighed_sum(vectors: Tensor, weights: Tensor) -> Tensor:
    """(batch, n, size) vectors, (batch, n) weights -> (batch, size) sums."""
    return (vectors * weights.unsqueeze(-1)).sum(1)


def members(labels: Tensor, groups: int) -> tuple[Tensor | slice, Tensor]:
    """(places of texts in the batch, the class of each): a place for each label of a text, and one of class `groups`.

    labels: (batch, labels) bool. Of (batch,) ids each text has its class only.
    """
    if labels.dim() == 1:
        return slice(None), labels
    texts, classes = labels.nonzero(as_tuple=True)
    every = torch.arange(len(labels))
    return torch.cat([texts, every]), torch.cat([classes, torch.full_like(every, groups)])


def largest_ratio(counts: Tensor, of_all: Tensor) -> Tensor:
    """(codes,) largest |log-count ratio| over the classes; 0 for no texts.

    counts: (classes, codes) numbers of texts. of_all: (codes,) the same without regard to classes.
    """
    others = of_all - counts
    shares = [(1 + part).log() - (1 + part).sum(1, keepdim=True).log() for part in (counts, others)]
    return (shares[0] - shares[1]).abs().amax(0) * of_all.bool()

"""Fully connected layers over the mean of the embeddings: a deep averaging network (Iyyer et al. 2015)."""

import itertools
from typing import Literal

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from .base import Pooling, TextClassifier, TextClassifierConfig, TextEncoder


@strict
class FCConfig(TextClassifierConfig):
    """`num_layers` fully connected layers of `hidden_size` over pooled embeddings."""

    model_type = "custom-fc"

    num_layers: int = 1
    pooling: Literal["mean", "max", "attention"] = "mean"


class FCModel(TextEncoder):
    """A body without layers: the states are the embeddings."""

    config_class = FCConfig

    def build(self, config: FCConfig):
        """Set `state_size`; there are no layers."""
        self.state_size = config.embedding_size

    def states(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, length, embedding)."""
        return embedded


class FCForSequenceClassification(TextClassifier, FCModel):
    """Fully connected layers over the pooled embeddings. Word order has no effect."""

    def build(self, config: FCConfig):
        """Create `pooling`, `layers` and `classifier`, which all belong to the head."""
        super().build(config)
        self.pooling = Pooling(config.pooling, self.state_size)
        sizes = [self.state_size, *[config.hidden_size] * config.num_layers]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        self.build_classifier(config, config.hidden_size)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """(batch, length) ids or (batch, length, embedding) vectors, (batch, length) -> (batch, hidden)."""
        features = self.pooling(self.states(self.embed(ids, mask, vectors), mask), mask)
        for layer in self.layers:
            features = layer(self.dropout(features)).relu()
        return features

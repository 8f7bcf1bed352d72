"""Fully connected layers over the mean of the embeddings: a deep averaging network (Iyyer et al. 2015)."""

import itertools
from typing import Literal

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from .base import Pooling, TextClassifier, TextClassifierConfig


@strict
class FCConfig(TextClassifierConfig):
    """`num_layers` fully connected layers of `hidden_size` over pooled embeddings."""

    model_type = "custom-fc"

    num_layers: int = 1
    pooling: Literal["mean", "max", "attention"] = "mean"


class FCForSequenceClassification(TextClassifier):
    """Word order has no say here: what it scores is what words alone can do."""

    config_class = FCConfig

    def __init__(self, config: FCConfig):
        super().__init__(config)
        self.pooling = Pooling(config.pooling, config.embedding_size)
        sizes = [config.embedding_size, *[config.hidden_size] * config.num_layers]
        self.layers = nn.ModuleList(nn.Linear(*pair) for pair in itertools.pairwise(sizes))
        self.add_classifier(config.hidden_size)

    def encode(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, hidden)."""
        features = self.pooling(embedded, mask)
        for layer in self.layers:
            features = layer(self.dropout(features)).relu()
        return features

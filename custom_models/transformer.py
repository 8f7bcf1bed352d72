"""A pre-norm Transformer encoder: Vaswani et al. 2017, with layer norm before each block as in Xiong et al. 2020."""

import math
from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer
from transformers.utils import logging

from .attention import AttentionConfig, AttentionEncoder, MultiHeadAttention
from .base import PooledClassifier

logger = logging.get_logger(__name__)


@strict
class TransformerConfig(AttentionConfig):
    """`num_layers` blocks; `max_position_embeddings` bounds learned positions, sinusoidal ones have no end."""

    model_type = "custom-transformer"

    num_layers: int = 2
    intermediate_size: int = 512
    positions: Literal["sinusoidal", "learned"] = "sinusoidal"
    max_position_embeddings: int = 512
    layer_dropout: float | int = 0.1
    pooling: Literal["mean", "max", "attention"] = "mean"


def sinusoidal_positions(length: int, size: int, device: torch.device) -> Tensor:
    """PE(t, 2i) = sin(t / 10000^(2i/size)), PE(t, 2i+1) = cos(the same); Vaswani et al. 2017, section 3.5.

    The result is (length, size) float32. Nothing is stored, so there is no largest length.
    """
    times = torch.arange(length, device=device, dtype=torch.float32).unsqueeze(1)
    rates = torch.exp(torch.arange(0, size, 2, device=device, dtype=torch.float32) * (-math.log(10_000) / size))
    return torch.stack((torch.sin(times * rates), torch.cos(times * rates)), -1).flatten(1)[:, :size]


class TransformerLayer(GradientCheckpointingLayer):
    """x + attention(norm(x)), then x + feed_forward(norm(x))."""

    def __init__(self, config: TransformerConfig):
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.hidden_size)
        self.attention = MultiHeadAttention(config, config.hidden_size)
        self.feed_forward_norm = nn.LayerNorm(config.hidden_size)
        self.expand = nn.Linear(config.hidden_size, config.intermediate_size)
        self.contract = nn.Linear(config.intermediate_size, config.hidden_size)
        self.dropout = nn.Dropout(config.layer_dropout)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(batch, length, hidden) -> (batch, length, hidden)."""
        hidden = hidden + self.dropout(self.attention(self.attention_norm(hidden), attention_mask))
        expanded = nn.functional.gelu(self.expand(self.feed_forward_norm(hidden)))
        return hidden + self.dropout(self.contract(expanded))


class TransformerModel(AttentionEncoder):
    """Embedding, positions, layers, final norm."""

    config_class = TransformerConfig
    supports_gradient_checkpointing = True
    _no_split_modules = ["TransformerLayer"]  # noqa: RUF012

    def build(self, config: TransformerConfig):
        """Create a projection to `hidden_size`, learned positions if configured, `num_layers` blocks, and a norm."""
        super().build(config)
        self.project = nn.Linear(config.embedding_size, config.hidden_size)
        if config.positions == "learned":
            self.position_embedding = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.layers = nn.ModuleList(TransformerLayer(config) for _ in range(config.num_layers))
        self.norm = nn.LayerNorm(config.hidden_size)
        self.state_size = config.hidden_size

    def reading_order(self, mask: Tensor) -> tuple[Tensor, Tensor]:
        """As in `TextModel`. Tokens beyond the last learned position are left out, with one warning."""
        order, mask = super().reading_order(mask)
        if self.config.positions == "sinusoidal":
            return order, mask
        limit = self.config.max_position_embeddings
        if mask.shape[1] > limit and mask[:, limit:].any():
            logger.warning_once(f"longer texts are cut to max_position_embeddings={limit} tokens")
        return order[:, :limit], mask[:, :limit]

    def states(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, length, hidden)."""
        hidden = self.project(embedded)
        hidden = hidden + self.position_vectors(hidden)
        attention_mask = self.key_mask(hidden, mask)
        for layer in self.layers:
            hidden = layer(hidden, attention_mask)
        return self.norm(hidden)

    def position_vectors(self, hidden: Tensor) -> Tensor:
        """(batch, length, hidden) -> (length, hidden). Sinusoidal ones are scaled by `initializer_range`."""
        length, size = hidden.shape[1:]
        if self.config.positions == "learned":
            return self.position_embedding.weight[:length]
        scale = self.config.initializer_range
        return (scale * sinusoidal_positions(length, size, hidden.device)).to(hidden.dtype)


class TransformerForSequenceClassification(PooledClassifier, TransformerModel):
    """A Transformer encoder over the text, and a pooling of its states, by default the mean."""

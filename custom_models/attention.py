"""Multi-head self-attention over the embeddings, with attention pooling, without positions or feed-forward layers."""

from typing import Literal

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers.masking_utils import create_bidirectional_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .base import PooledClassifier, TextClassifierConfig, TextEncoder


@strict
class AttentionConfig(TextClassifierConfig):
    """One layer of self-attention of `hidden_size` in `num_heads` heads."""

    model_type = "custom-attention"

    num_heads: int = 4
    attention_dropout: float | int = 0.0
    pooling: Literal["mean", "max", "attention"] = "attention"
    implementation: Literal["fused", "reference"] = "fused"

    def validate_heads(self):
        """`hidden_size` is a multiple of `num_heads`."""
        if self.hidden_size % self.num_heads:
            raise ValueError(f"hidden_size={self.hidden_size} is not a multiple of num_heads={self.num_heads}")


def scaled_dot_product_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs
) -> tuple[Tensor, Tensor]:
    """softmax(Q K^T / sqrt(d)) V, Vaswani et al. 2017, section 3.2.1.

    Q, K, V are (batch, heads, length, d). `attention_mask` is added to the scores; it is nearly -inf for padding keys.
    The results are the weighted values (batch, length, heads, d) and the weights (batch, heads, length, length).
    """
    scores = query @ key.transpose(-2, -1) / query.shape[-1] ** 0.5
    if attention_mask is not None:
        scores = scores + attention_mask
    weights = nn.functional.dropout(scores.softmax(-1), kwargs.get("dropout", 0.0))
    return (weights @ value).transpose(1, 2), weights


class MultiHeadAttention(nn.Module):
    """Concat(head_1, ..., head_h) W_O with head_i = attention(x W_Q_i, x W_K_i, x W_V_i).

    Vaswani et al. 2017, section 3.2.2. Each of W_Q, W_K and W_V is one matrix for all heads. `attn_implementation` of
    the library chooses the kernel, sdpa by default. `implementation: reference` is `scaled_dot_product_attention`.
    """

    def __init__(self, config: AttentionConfig, input_size: int):
        super().__init__()
        self.config = config
        self.is_causal = False
        self.head_size = config.hidden_size // config.num_heads
        self.query = nn.Linear(input_size, config.hidden_size)
        self.key = nn.Linear(input_size, config.hidden_size)
        self.value = nn.Linear(input_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)

    def forward(self, hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
        """(batch, length, input_size) -> (batch, length, hidden_size)."""
        batch, length, _ = hidden.shape
        heads = (batch, length, self.config.num_heads, self.head_size)
        query, key, value = (
            project(hidden).view(heads).transpose(1, 2) for project in (self.query, self.key, self.value)
        )
        attend = ALL_ATTENTION_FUNCTIONS.get_interface(self.config._attn_implementation, scaled_dot_product_attention)
        rate = self.config.attention_dropout if self.training else 0.0
        attended, _ = attend(self, query, key, value, attention_mask, dropout=rate, scaling=self.head_size**-0.5)
        return self.output(attended.reshape(batch, length, -1))


class AttentionEncoder(TextEncoder):
    """The base of bodies with attention: it chooses the kernel and makes the padding mask for it."""

    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flex_attn = True
    _supports_attention_backend = True

    def build(self, config: AttentionConfig):
        """Choose the kernel by `implementation`. A subclass creates the layers."""
        if config.implementation == "reference":
            # "eager" is the library's name for the attention function of the model itself.
            self.set_attn_implementation("eager")

    def key_mask(self, embedded: Tensor, mask: Tensor) -> Tensor | None:
        """(batch, length) -> the mask in the form of the chosen kernel, which may be None without padding."""
        return create_bidirectional_mask(config=self.config, inputs_embeds=embedded, attention_mask=mask.long())


class AttentionModel(AttentionEncoder):
    """One layer of self-attention. The state of a token is its embedding joined with the output of the attention."""

    config_class = AttentionConfig

    def build(self, config: AttentionConfig):
        """Create the attention layer."""
        super().build(config)
        self.attention = MultiHeadAttention(config, config.embedding_size)
        self.state_size = config.embedding_size + config.hidden_size

    def states(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, length, embedding + hidden)."""
        context = self.attention(embedded, self.key_mask(embedded, mask))
        return torch.cat((embedded, context), -1)


class AttentionForSequenceClassification(PooledClassifier, AttentionModel):
    """Attention over the text, and a pooling of the states, by default with a learned query."""

"""Convolutions over time and the largest value of each (Kim 2014)."""

from dataclasses import field

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from .base import TextClassifier, TextClassifierConfig


@strict
class TextCNNConfig(TextClassifierConfig):
    """`num_filters` filters for each window of `kernel_sizes` tokens; `hidden_size` is not used."""

    model_type = "custom-textcnn"

    kernel_sizes: list[int] = field(default_factory=lambda: [3, 4, 5])
    num_filters: int = 100

    def validate_kernel_sizes(self):
        """At least one window, none empty."""
        if not self.kernel_sizes or min(self.kernel_sizes) < 1:
            raise ValueError(f"kernel_sizes={self.kernel_sizes} must be window widths of at least 1 token")


class TextCNNForSequenceClassification(TextClassifier):
    """A window counts when it lies within the text; a text shorter than one is one, filled with zeros."""

    config_class = TextCNNConfig

    def __init__(self, config: TextCNNConfig):
        super().__init__(config)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embedding_size, config.num_filters, width) for width in config.kernel_sizes
        )
        self.add_classifier(config.num_filters * len(config.kernel_sizes))

    def encode(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, filters of all widths)."""
        channels = embedded.masked_fill(~mask.unsqueeze(-1), 0).transpose(1, 2)
        lengths = mask.sum(1, keepdim=True)
        pairs = zip(self.config.kernel_sizes, self.convolutions, strict=True)
        return torch.cat([self.strongest(width, convolution, channels, lengths) for width, convolution in pairs], -1)

    def strongest(self, width: int, convolution: nn.Module, channels: Tensor, lengths: Tensor) -> Tensor:
        """(batch, embedding, length), (batch, 1) -> (batch, filters): max over time of relu(convolution)."""
        missing = max(width - channels.shape[2], 0)
        windows = convolution(nn.functional.pad(channels, (0, missing))).relu()
        starts = torch.arange(windows.shape[2], device=windows.device)
        inside = starts <= (lengths - width).clamp(min=0)
        # After the relu nothing is below 0, so 0 takes a window out of the maximum.
        return windows.masked_fill(~inside.unsqueeze(1), 0).amax(2)

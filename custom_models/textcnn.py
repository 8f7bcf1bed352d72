"""Convolutions over the tokens, and the largest value of each filter (Kim 2014)."""

from dataclasses import field

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor, nn

from .base import TextClassifier, TextClassifierConfig, TextEncoder


@strict
class TextCNNConfig(TextClassifierConfig):
    """`num_filters` filters for each window of `kernel_sizes` tokens; `hidden_size` is not used."""

    model_type = "custom-textcnn"

    kernel_sizes: list[int] = field(default_factory=lambda: [3, 4, 5])
    num_filters: int = 100

    def validate_kernel_sizes(self):
        """There is at least one window, and each has at least one token."""
        if not self.kernel_sizes or min(self.kernel_sizes) < 1:
            raise ValueError(f"kernel_sizes={self.kernel_sizes} must be window widths of at least 1 token")


class TextCNNModel(TextEncoder):
    """The state of a token has a value for each filter: the relu of the filter at the window that starts at the token.

    The value is 0 if the window reaches beyond the end of the text. A text that is shorter than the window is padded
    with zero vectors and has one window.
    """

    config_class = TextCNNConfig

    def build(self, config: TextCNNConfig):
        """Create one convolution for each width."""
        self.convolutions = nn.ModuleList(
            nn.Conv1d(config.embedding_size, config.num_filters, width) for width in config.kernel_sizes
        )
        self.state_size = config.num_filters * len(config.kernel_sizes)

    def states(self, embedded: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, embedding), (batch, length) -> (batch, length, filters of all widths)."""
        channels = embedded.masked_fill(~mask.unsqueeze(-1), 0).transpose(1, 2)
        starts = torch.arange(mask.shape[1], device=mask.device)
        lengths = mask.sum(1, keepdim=True)
        windows = []
        for width, convolution in zip(self.config.kernel_sizes, self.convolutions, strict=True):
            inside = starts <= (lengths - width).clamp(min=0)
            values = convolution(nn.functional.pad(channels, (0, width - 1))).relu()
            windows.append(values.masked_fill(~inside.unsqueeze(1), 0))
        return torch.cat(windows, 1).transpose(1, 2)


class TextCNNForSequenceClassification(TextClassifier, TextCNNModel):
    """The largest value of each filter over the text, and a linear classifier."""

    def build(self, config: TextCNNConfig):
        """Create `classifier`. The maximum over the windows needs no layer."""
        super().build(config)
        self.build_classifier(config, self.state_size)

    def features(self, ids: Tensor | None, mask: Tensor, vectors: Tensor | None) -> Tensor:
        """(batch, length) ids or (batch, length, embedding) vectors, (batch, length) -> (batch, filters)."""
        # No state is negative, so the zeros outside the text do not change the maximum.
        return self.states(self.embed(ids, mask, vectors), mask).amax(1)

"""The loss that all models share, and the logits that a model returns."""

from collections.abc import Callable

from torch import Tensor, nn


def classification_loss(class_weights: Tensor | None, label_smoothing: float) -> Callable:
    """Cross-entropy summed over the texts and divided by those of the whole optimizer step.

    The same for custom and stock models, and the same for one big batch, accumulated small ones and several processes.
    Stock models by themselves return a mean per small batch, which `Trainer` adds up (huggingface/transformers#47688).
    """

    def loss(outputs, labels: Tensor, num_items_in_batch: Tensor | None = None) -> Tensor:
        weight = None if class_weights is None else class_weights.to(outputs.logits)
        total = nn.functional.cross_entropy(
            outputs.logits, labels, weight=weight, label_smoothing=label_smoothing, reduction="sum"
        )
        return total / (labels.shape[0] if num_items_in_batch is None else num_items_in_batch)

    return loss


def only_logits(outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """(batch, num_labels) of what a model returns in evaluation; some stock models return hidden states behind it."""
    return outputs[0] if isinstance(outputs, tuple) else outputs

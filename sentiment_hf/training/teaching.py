"""Distillation: a model learns the outputs of a teacher beside the labels of train (Hinton et al. 2015).

A text of train has its label, and what the teacher says if it was not trained on it; a text without label has what the
teacher says: the loss is the divergence from its probabilities, that of Hinton et al. at
temperature 1. The squared error of logits (Ba & Caruana 2014) taught n-grams nothing on IMDB: where a teacher is sure
the logits of a text differ most and matter least.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from torch import Tensor
from transformers.modeling_outputs import SequenceClassifierOutput

from sentiment_hf.common.labelled_texts import LabelledTexts
from sentiment_hf.data.splits import Splits
from sentiment_hf.tasks.task import Task

# The columns of a batch: the logits of the teacher, NaN where it says nothing, and whether a text has a label.
TAUGHT, LABELLED = "taught", "labelled"

# The share of the label in the loss of a text for which the teacher speaks, too.
LABEL_SHARE = 0.5


def training_texts(splits: Splits) -> tuple[LabelledTexts, dict[str, np.ndarray]]:
    """The texts to train on, and the columns of what a teacher says of them; train and {} if that is all.

    Texts without labels stand behind train. Their labels are the decisions of the teacher, which models that count
    texts by class take (`prepare`); the loss does not read them.
    """
    if not splits.lessons and not splits.unlabelled:
        return splits.train, {}
    count, outputs = len(splits.train), len(splits.task.labels)
    parts = [splits.train]
    taught = [splits.lessons.get("train", np.full((count, outputs), np.nan, np.float32))]
    if splits.unlabelled and "unlabelled" in splits.lessons:
        logits = splits.lessons["unlabelled"]
        decided = splits.task.decide(splits.task.probabilities(logits))
        parts.append(replace(splits.unlabelled, labels=decided.astype(splits.train.labels.dtype)))
        taught.append(logits)
    elif splits.unlabelled:
        parts.append(splits.unlabelled)
        taught.append(np.full((len(splits.unlabelled), outputs), np.nan, np.float32))
    labelled = np.arange(sum(map(len, parts))) < count
    return LabelledTexts.joined(parts), {TAUGHT: np.concatenate(taught), LABELLED: labelled}


@dataclass(frozen=True)
class Lesson:
    """What a teacher says of the texts of a batch.

    taught: (batch, outputs) logits, NaN where it says nothing. labelled: (batch,) whether a text has a label.
    label_weight: how much the loss of a label counts.
    """

    taught: Tensor
    labelled: Tensor
    label_weight: float = 1.0

    @classmethod
    def taken_from(cls, inputs: dict[str, Any], label_weight: float = 1.0) -> Self | None:
        """Take the columns of `training_texts` out of a batch; None if it has none, as in validation."""
        return cls(inputs.pop(TAUGHT), inputs.pop(LABELLED), label_weight) if TAUGHT in inputs else None

    def loss(self, of_labels: Callable[..., Tensor], task: Task) -> Callable[..., Tensor]:
        """The loss of a batch: `of_labels` of the texts with labels, and the distance to the logits of the teacher."""

        def loss(outputs, labels: Tensor, num_items_in_batch: Tensor | None = None) -> Tensor:
            logits = outputs.logits
            items = labels.numel() if num_items_in_batch is None else num_items_in_batch
            speaks = ~self.taught.isnan().any(-1)
            error = task.distance(logits[speaks], self.taught[speaks])
            total = (error * (1 - LABEL_SHARE * self.labelled[speaks].to(error.dtype))).sum() / items
            for rows, share in ((self.labelled & ~speaks, 1), (self.labelled & speaks, LABEL_SHARE)):
                found = of_labels(SequenceClassifierOutput(logits=logits[rows]), labels[rows], items)
                total = total + self.label_weight * share * found
            return total

        return loss

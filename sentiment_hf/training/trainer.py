"""The trainer of classifiers: the loss and the scores of a task."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import EvalPrediction

from sentiment_hf.models.adapters import write_labels
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.text.windows import of_texts, pooled
from sentiment_hf.training.safe_trainer import SafeTrainer
from sentiment_hf.training.teaching import Lesson


class ClassificationTrainer(SafeTrainer):
    """`SafeTrainer` with the loss and the scores of a task."""

    def __init__(self, *args, task: Task, loss: Callable[..., Tensor], **kwargs):
        super().__init__(
            *args,
            compute_loss_func=loss,
            compute_metrics=self.logged_scores,
            preprocess_logits_for_metrics=only_logits,
            **kwargs,
        )
        self.task = task
        # The loss takes `num_items_in_batch` itself; the models need not.
        self.model_accepts_loss_kwargs = False
        # The texts that are being scored; their windows are pooled.
        self.scored: EncodedTexts | None = None

    def compute_loss(self, model: nn.Module, inputs: dict, *args, **kwargs):
        """The loss of a batch, in which a teacher has a say if the batch has its outputs."""
        if (lesson := Lesson.taken_from(inputs)) is None:
            return super().compute_loss(model, inputs, *args, **kwargs)
        of_labels = self.compute_loss_func
        self.compute_loss_func = lesson.loss(of_labels, self.task)
        try:
            return super().compute_loss(model, inputs, *args, **kwargs)
        finally:
            self.compute_loss_func = of_labels

    def logged_scores(self, output: EvalPrediction) -> dict[str, float]:
        """The scores that are logged at each evaluation, except the loss."""
        return self.task.logged(*self.of_texts(output.predictions, output.label_ids))

    def of_texts(self, logits: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Logits and labels of the rows of `scored` -> those of its texts: as they are if no text has windows."""
        return pooled(logits, self.scored, self.processing_class), of_texts(labels, self.scored)

    def evaluation_loop(self, dataloader: DataLoader, *args, **kwargs):
        """Return logits, labels and scores; the loss is the mean over all texts.

        If long texts are read in windows, each text has the pooled logits of its windows, in the order of the texts.
        `Trainer` itself averages the losses of the batches, so that the texts of a smaller last batch weigh more.
        """
        self.scored = dataloader.dataset
        output = super().evaluation_loop(dataloader, *args, **kwargs)
        logits, labels = self.of_texts(output.predictions, output.label_ids)
        prefix = kwargs.get("metric_key_prefix", "eval")
        output.metrics[f"{prefix}_loss"] = self.task.evaluation_loss(logits, labels)
        return output._replace(predictions=logits, label_ids=labels)

    def save_model(self, output_dir: str | None = None, *args, **kwargs) -> None:
        """Save the model, and the names of the classes of an adapter, whose own files do not hold them."""
        super().save_model(output_dir, *args, **kwargs)
        if self.args.should_save and isinstance(self.model, PeftModel):
            write_labels(self.model, Path(output_dir or self.args.output_dir))


def only_logits(outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """(batch, num_labels) of what a model returns in evaluation; some stock models return hidden states behind it."""
    return outputs[0] if isinstance(outputs, tuple) else outputs

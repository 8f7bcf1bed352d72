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
from sentiment_hf.training.adversarial import repeated, the_only, virtual_loss, watched
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
        # The length of the moves of virtual adversarial training, None without it; and how much a label counts then.
        self.virtual_epsilon: float | None = None
        self.label_weight = 1.0
        # The texts that are being scored; their windows are pooled.
        self.scored: EncodedTexts | None = None

    def compute_loss(
        self, model: nn.Module, inputs: dict, return_outputs: bool = False, num_items_in_batch: Tensor | None = None
    ):
        """The loss of the labels of a batch, of what a teacher says of it, and of --adversarial vat."""
        lesson = Lesson.taken_from(inputs, self.label_weight)
        of_labels = self.compute_loss_func
        self.compute_loss_func = lesson.loss(of_labels, self.task) if lesson else of_labels
        try:
            if self.virtual_epsilon is None or not model.training:
                return super().compute_loss(model, inputs, return_outputs, num_items_in_batch)
            return self.loss_with_virtual(model, inputs, num_items_in_batch)
        finally:
            self.compute_loss_func = of_labels

    def loss_with_virtual(self, model: nn.Module, inputs: dict, num_items_in_batch: Tensor | None) -> Tensor:
        """The loss of a batch, and what `virtual_loss` says of all its texts, with and without labels."""
        embedding, labels = self.model.get_input_embeddings(), inputs["labels"]
        given = {name: values for name, values in inputs.items() if name != "labels"}
        # The passes that only look go past the wrapper of several processes, which counts passes.
        forward = repeated(lambda: self.model(**given).logits)
        with watched(embedding) as vectors:
            loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        apart = virtual_loss(
            embedding, self.virtual_epsilon, forward, the_only(vectors), outputs.logits, self.task.divergence
        )
        items = labels.numel() if num_items_in_batch is None else num_items_in_batch
        return loss + self.copies * apart.sum() / items

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

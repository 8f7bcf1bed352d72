"""`Trainer` with the loss, the batches and the checkpoints that make runs comparable and safe to interrupt."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.data import DataLoader
from transformers import Trainer, TrainingArguments
from transformers.trainer_utils import TrainOutput

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import whole, write_json
from sentiment_hf.common.layout import TRAINER_STATE
from sentiment_hf.models.adapters import write_labels
from sentiment_hf.tasks.task import Task
from sentiment_hf.training.batches import LengthBucketSampler
from sentiment_hf.training.broken_step import OptimizerStep, refuse_step
from sentiment_hf.training.callbacks import CheckpointsOnDisk
from sentiment_hf.training.checkpoints import checkpoint_at, keep_alone, own_damage
from sentiment_hf.training.clock import Clock
from sentiment_hf.training.disk import full_disk_explained


class ClassificationTrainer(Trainer):
    """`Trainer` with the loss and the scores of a task, length-bucketed batches, clock and checkpoint manifests.

    Six private methods of the library are overridden, each where its docstring says why no public one does.
    tests/training/test_private_methods.py fails where a version of the library no longer calls one of them.
    """

    def __init__(
        self,
        *args,
        task: Task,
        class_weights: np.ndarray | None,
        length_bucketing: bool,
        checkpoint_verify: str = "sha256",
        **kwargs,
    ):
        super().__init__(
            *args,
            compute_loss_func=task.loss(class_weights, kwargs["args"].label_smoothing_factor),
            compute_metrics=lambda output: task.logged(output.predictions, output.label_ids),
            preprocess_logits_for_metrics=only_logits,
            **kwargs,
        )
        self.task = task
        # The loss takes `num_items_in_batch` itself; the models need not.
        self.model_accepts_loss_kwargs = False
        self.length_bucketing = length_bucketing
        self.checkpoint_verify = checkpoint_verify
        if self.train_dataset is not None:
            self.train_dataset = self.train_dataset.add_column("row", np.arange(len(self.train_dataset)))
        # Counted now, for adapters may be gone after training, merged into what they adapt.
        self.num_parameters = sum(weight.numel() for weight in self.model.parameters())
        self.num_trained = sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad)
        self.current_step = OptimizerStep()
        self.all_metrics: dict[str, float] = {}
        # Last of all callbacks, so that what the others do at the end of a step counts as time of training.
        self.clock = Clock()
        self.add_callback(self.clock)
        self.add_callback(CheckpointsOnDisk(self.clock, self.args.save_total_limit, checkpoint_verify))

    def train(self, *args, **kwargs) -> TrainOutput:
        """Train; `CheckpointsOnDisk` deletes checkpoints, and `EarlyStoppingCallback` restores its count.

        `Trainer` itself would delete an older checkpoint before the manifest of the new one is written, delete all but
        the best one before test, so that a run cut off in its test would train again, and restore an old patience.
        """
        with changed(self.args, save_total_limit=None, restore_callback_states_from_checkpoint=False):
            return super().train(*args, **kwargs)

    def get_eval_dataloader(self, *args, **kwargs) -> DataLoader:
        """The batches of validation: every row, in order."""
        with every_row_in_order(self.args):
            return super().get_eval_dataloader(*args, **kwargs)

    def get_test_dataloader(self, *args, **kwargs) -> DataLoader:
        """The batches of test: every row, in order."""
        with every_row_in_order(self.args):
            return super().get_test_dataloader(*args, **kwargs)

    def _get_train_sampler(self, train_dataset=None):
        """Put texts of alike length together.

        No public hook takes a sampler, and a `DataLoader` of our own would have to repeat all that the library gives
        to its one.
        """
        if not self.length_bucketing:
            return super()._get_train_sampler(train_dataset)
        args = self.args
        step = args.train_batch_size * args.world_size * args.gradient_accumulation_steps
        seed = args.seed if args.data_seed is None else args.data_seed
        return LengthBucketSampler(self.train_dataset["length"][:], step, seed)

    def _set_signature_columns_if_needed(self) -> None:
        """Leave the numbers of the rows in the batches of training.

        No public hook adds a column: --remove_unused_columns keeps what the model takes as arguments, or everything.
        """
        super()._set_signature_columns_if_needed()
        if "row" not in self._signature_columns:
            self._signature_columns.append("row")

    def get_batch_samples(self, *args, **kwargs):
        """Let the clock go on before the batches of the next step are fetched."""
        if self.clock.begun:
            self.clock.resume()
        return super().get_batch_samples(*args, **kwargs)

    def training_step(self, model: nn.Module, inputs: dict, num_items_in_batch=None) -> Tensor:
        """The loss of a batch; its tokens and texts are counted, its rows and loss noted for `refuse_step`."""
        rows = inputs.pop("row")
        if "attention_mask" in inputs:
            mask = inputs["attention_mask"]
        else:
            # Some stock models take none.
            mask = inputs["input_ids"] != self.processing_class.pad_token_id
        self.clock.count(mask)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.current_step.add(rows, loss)
        return loss

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor | float | None:
        """Raise TrainingError before a step that would ruin the weights.

        No public hook is told the norm: at `on_pre_optimizer_step` the gradients are clipped already, to zeros where
        their norm was infinite. The check waits for the device once a step; --logging_nan_inf_filter, which is off
        by default here, would do so once a batch.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        # The scaler of fp16 leaves out a step whose gradients overflow, as they do now and then, and goes on.
        # DeepSpeed has no norm for some optimizers.
        if self.accelerator.scaler is None and norm is not None and not math.isfinite(norm):
            refuse_step(self, self.current_step, float(norm))
        self.current_step = OptimizerStep()
        return norm

    def _run_epoch(self, *args, **kwargs) -> None:
        """Make no step where training was over before it was resumed, by the number of steps or by the patience.

        No public hook keeps the first step back: `Trainer` looks at `control.should_training_stop` after a step only.
        """
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        if not self.control.should_training_stop:
            super()._run_epoch(*args, **kwargs)

    def evaluation_loop(self, *args, **kwargs):
        """Logits, labels and scores; the loss is the mean over all rows.

        `Trainer` gives the texts of a smaller last batch more weight.
        """
        output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        output.metrics[f"{prefix}_loss"] = self.task.evaluation_loss(output.predictions, output.label_ids)
        return output

    def save_model(self, output_dir: str | None = None, *args, **kwargs) -> None:
        """Save the model, and with an adapter the names of the classes, since its own files do not hold them."""
        super().save_model(output_dir, *args, **kwargs)
        if isinstance(self.model, PeftModel) and self.args.should_save:
            write_labels(self.model, Path(output_dir or self.args.output_dir))

    def _save_checkpoint(self, *args, **kwargs) -> None:
        """Write a checkpoint; where the disk is full, remove what was written of it and raise TrainingError.

        No public hook stands around the writing: `on_save` comes when all has been written.
        """
        with full_disk_explained(checkpoint_at(self.args.output_dir, self.state.global_step)):
            super()._save_checkpoint(*args, **kwargs)

    def _load_best_model(self) -> None:
        """Load the best checkpoint; raise TrainingError where its files are not what was written.

        No public hook comes between the last step and the loading.
        """
        best = Path(self.state.best_model_checkpoint)
        if reason := own_damage(best, self.checkpoint_verify):
            raise TrainingError(
                f"{best}, the best checkpoint, was damaged since it was written ({reason}); the same command goes on "
                "from an older one, or from the start"
            )
        super()._load_best_model()

    def keep_best_alone(self) -> None:
        """Delete all other checkpoints once the run is finished, if --save_total_limit is 1."""
        best = self.state.best_model_checkpoint
        if self.args.should_save and self.args.save_total_limit == 1 and best:
            keep_alone(Path(best))

    def save_metrics(self, split: str, metrics: dict[str, float], combined: bool = True) -> None:
        """Write <split>_results.json and all_results.json, whole or not at all.

        `Trainer` reads all_results.json to add to it, and cannot read half a file of a run that was killed.
        """
        self.all_metrics |= metrics
        if self.is_world_process_zero():
            for name, content in ((split, metrics), ("all", self.all_metrics)):
                write_json(Path(self.args.output_dir, f"{name}_results.json"), content)

    def save_state(self) -> None:
        """Write trainer_state.json, whole or not at all."""
        if self.is_world_process_zero():
            with whole(Path(self.args.output_dir, TRAINER_STATE)) as temporary:
                self.state.save_to_json(str(temporary))


def only_logits(outputs: Tensor | tuple[Tensor, ...], labels: Tensor) -> Tensor:
    """(batch, num_labels) of what a model returns in evaluation; some stock models return hidden states behind it."""
    return outputs[0] if isinstance(outputs, tuple) else outputs


@contextmanager
def changed(args: TrainingArguments, **values) -> Iterator[None]:
    """Give fields of `args` other values inside; the values before come back, whatever happens."""
    before = {name: getattr(args, name) for name in values}
    vars(args).update(values)
    try:
        yield
    finally:
        vars(args).update(before)


def every_row_in_order(args: TrainingArguments) -> AbstractContextManager[None]:
    """Score all rows in their order: --dataloader_drop_last and --train_sampling_strategy are for training."""
    return changed(args, dataloader_drop_last=False, train_sampling_strategy="random")

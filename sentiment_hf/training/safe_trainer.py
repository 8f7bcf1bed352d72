"""A subclass of `Trainer` whose batches and checkpoints make runs comparable and safe to interrupt."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from transformers import PrinterCallback, Trainer, TrainingArguments
from transformers.trainer import TRAINING_ARGS_NAME
from transformers.trainer_utils import TrainOutput

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import atomic_write, write_json
from sentiment_hf.common.layout import TRAINER_STATE
from sentiment_hf.common.profile import station
from sentiment_hf.models.sharded import size_of
from sentiment_hf.settings.reading import Reading
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.training.adversarial import adversarial_step
from sentiment_hf.training.averaging import AveragedWeights
from sentiment_hf.training.batches import LengthBucketSampler
from sentiment_hf.training.broken_step import OptimizerStep, refuse_step
from sentiment_hf.training.callbacks import CheckpointsOnDisk
from sentiment_hf.training.checkpoints import checkpoint_at, delete_other_checkpoints, why_not_whole
from sentiment_hf.training.clock import Clock
from sentiment_hf.training.disk import full_disk_explained
from sentiment_hf.training.layer_rates import decay_rates
from sentiment_hf.training.sharding import fsdp_on_cpus, name_as_before


class SafeTrainer(Trainer):
    """`Trainer` with length-bucketed batches, a clock, checkpoint manifests, and a stop before a broken step.

    Five private methods of the library are overridden. Each docstring says why no public method can be used.
    tests/training/test_private_methods.py fails if a version of the library no longer calls one of them.
    """

    def __init__(
        self,
        *args,
        given_args: TrainingArguments,
        length_bucketing: bool,
        checkpoint_verify: str = "sha256",
        **kwargs,
    ):
        super().__init__(*args, **kwargs)
        # `Trainer` adds it with --disable_tqdm. metrics.jsonl holds the same entries.
        self.remove_callback(PrinterCallback)
        self.given_args = given_args
        self.length_bucketing = length_bucketing
        self.checkpoint_verify = checkpoint_verify
        self.reading: Reading | None = None
        # Validation in the order of its rows; `eval_dataset` has the longest text first.
        self.validation: EncodedTexts | None = None
        # The length of the moves of --adversarial, and the average of --ema: None without them.
        self.adversarial_epsilon: float | None = None
        self.average: AveragedWeights | None = None
        # --layer_lr_decay and --no_texts
        self.layer_lr_decay: float | None = None
        self.no_texts = False
        self.train_dataset = self.train_dataset.with_column("row", np.arange(self.train_dataset.num_texts))
        # Counted before training, because --merge_adapter removes the adapters afterwards.
        self.num_parameters = sum(size_of(weight) for weight in self.model.parameters())
        self.num_trained = sum(size_of(weight) for weight in self.model.parameters() if weight.requires_grad)
        self.current_step = OptimizerStep()
        self.all_metrics: dict[str, float] = {}
        # The clock is added after the other callbacks, so that their work at the end of a step counts as training.
        self.clock = Clock()
        self.add_callback(self.clock)
        self.add_callback(CheckpointsOnDisk(self.clock, self.args.save_total_limit, checkpoint_verify))

    def create_accelerator_and_postprocess(self) -> None:
        """Make the accelerator, on CPUs too one with FSDP if that was asked for."""
        with fsdp_on_cpus(self.args):
            super().create_accelerator_and_postprocess()

    def train(self, *args, **kwargs) -> TrainOutput:
        """Train. `CheckpointsOnDisk` deletes checkpoints, and `EarlyStoppingCallback` restores its own count.

        `Trainer` itself would delete an older checkpoint before the manifest of the new one is written. It would
        delete all but the best checkpoint before test, so that a run killed in test would train again. It would also
        restore the patience of the checkpoint in place of the flag's.
        """
        with temporarily_set(self.args, save_total_limit=None, restore_callback_states_from_checkpoint=False):
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
        """Use `LengthBucketSampler`.

        No public method takes a sampler. Overriding `get_train_dataloader` would repeat all other settings of the
        library's `DataLoader`.
        """
        if not self.length_bucketing:
            return super()._get_train_sampler(train_dataset)
        args = self.args
        step = args.train_batch_size * args.world_size * args.gradient_accumulation_steps
        seed = args.seed if args.data_seed is None else args.data_seed
        return LengthBucketSampler(self.train_dataset.lengths, step, seed)

    def create_optimizer(self, *args, **kwargs) -> Optimizer:
        """The optimizer of the flags, with smaller rates for lower layers by --layer_lr_decay."""
        is_new = self.optimizer is None
        optimizer = super().create_optimizer(*args, **kwargs)
        if is_new and self.layer_lr_decay is not None:
            decay_rates(optimizer, self.model, self.layer_lr_decay)
        return optimizer

    def get_batch_samples(self, *args, **kwargs):
        """Start the clock before the batches of the next step are fetched."""
        if self.clock.begun:
            self.clock.resume()
        return super().get_batch_samples(*args, **kwargs)

    def training_step(self, model: nn.Module, inputs: dict, num_items_in_batch=None) -> Tensor:
        """Return the loss of a batch; count its tokens and texts, and store its rows and loss for `refuse_step`."""
        rows = inputs.pop("row")
        self.clock.count(self.mask_of(inputs))
        step = partial(super().training_step, model, inputs, num_items_in_batch)
        if self.adversarial_epsilon is None:
            loss = step()
        else:
            embedding, alone = self.model.get_input_embeddings(), self.accelerator.no_sync(model)
            loss = adversarial_step(embedding, self.adversarial_epsilon, step, alone)
        self.current_step.add(rows, loss)
        return loss

    def mask_of(self, inputs: dict) -> Tensor:
        """(batch, length), true or 1 at each token; some stock models have no argument `attention_mask`."""
        if "attention_mask" in inputs:
            return inputs["attention_mask"]
        return inputs["input_ids"] != self.processing_class.pad_token_id

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor | float | None:
        """Raise TrainingError before a step whose gradient has a norm that is not finite.

        No public method gets the norm. At `on_pre_optimizer_step` the gradients are clipped already, and gradients
        with an infinite norm have become zeros. The check waits for a GPU once per step; --logging_nan_inf_filter,
        which is off by default here, would wait once per batch.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        # In fp16 the gradients overflow now and then; the gradient scaler skips these steps.
        # DeepSpeed returns None as the norm for some optimizers.
        if self.accelerator.scaler is None and norm is not None and not math.isfinite(norm):
            refuse_step(self, self.current_step, float(norm))
        self.current_step = OptimizerStep()
        return norm

    def _run_epoch(self, *args, **kwargs) -> None:
        """Make no step if training was finished before it was resumed: all steps made, or the patience used up.

        No public method prevents the first step: `Trainer` reads `control.should_training_stop` only after a step.
        """
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
        if not self.control.should_training_stop:
            super()._run_epoch(*args, **kwargs)

    @property
    def copies(self) -> int:
        """How often a loss counts, as in the library: several processes take the mean of their gradients."""
        return self.accelerator.num_processes if self.args.average_tokens_across_devices else 1

    @station("evaluation")
    def evaluate(self, *args, **kwargs) -> dict[str, float]:
        """Score validation, by which the checkpoint is chosen; count its seconds."""
        with self.clock.stations.counting("evaluation"), self.averaged():
            return super().evaluate(*args, **kwargs)

    def averaged(self) -> AbstractContextManager[None]:
        """Within the block, the model has the averaged weights of --ema while it is trained."""
        return self.average.in_place() if self.average else nullcontext()

    def save_model(self, output_dir: str | None = None, *args, **kwargs) -> None:
        """Save the model, the columns of its texts, and the flags as given.

        `Trainer` itself saves the flags with the values that `train` sets for the time of training.
        """
        name_as_before(self.model)
        super().save_model(output_dir, *args, **kwargs)
        if not self.args.should_save:
            return
        folder = Path(output_dir or self.args.output_dir)
        torch.save(self.given_args, folder / TRAINING_ARGS_NAME)
        if self.reading:
            self.reading.save(folder)

    @station("checkpoints")
    def _save_checkpoint(self, *args, **kwargs) -> None:
        """Write a checkpoint. If the disk is full, delete the incomplete checkpoint and raise TrainingError.

        No public method encloses the writing: `on_save` is called after it.
        """
        there = checkpoint_at(self.args.output_dir, self.state.global_step)
        with full_disk_explained(there), self.clock.stations.counting("saving"), self.averaged():
            super()._save_checkpoint(*args, **kwargs)
            if self.average and self.args.should_save:
                self.average.save_last(there)

    @station("checkpoints")
    def _load_best_model(self) -> None:
        """Load the best checkpoint. Raise TrainingError if its files have changed since they were written.

        No public method is called between the last step and the loading.
        """
        best = Path(self.state.best_model_checkpoint)
        if reason := why_not_whole(best, self.checkpoint_verify):
            raise TrainingError(
                f"{best}, the best checkpoint, was damaged since it was written ({reason}); the same command goes on "
                "from an older one, or from the start"
            )
        with self.clock.stations.counting("saving"):
            super()._load_best_model()

    def guarantee(self) -> dict[str, Any] | None:
        """What the report says of differential privacy; None without it."""
        return None

    def release(self) -> None:
        """Let go of the model and its optimizer: a second fit needs their memory."""
        for holder in (self, self.callback_handler):
            holder.model = holder.optimizer = holder.lr_scheduler = None
        self.model_wrapped = None
        self.accelerator.free_memory()

    def keep_best_alone(self) -> None:
        """Delete all checkpoints but the best if --save_total_limit is 1. Called after the run has finished."""
        best = self.state.best_model_checkpoint
        if self.args.should_save and self.args.save_total_limit == 1 and best:
            delete_other_checkpoints(Path(best))

    def save_metrics(self, split: str, metrics: dict[str, float], combined: bool = True) -> None:
        """Write <split>_results.json and all_results.json, whole or not at all.

        `Trainer` itself reads all_results.json to add to it, and fails if a killed run left half of the file.
        """
        self.all_metrics |= metrics
        if self.is_world_process_zero():
            for name, content in ((split, metrics), ("all", self.all_metrics)):
                write_json(Path(self.args.output_dir, f"{name}_results.json"), content)

    def save_state(self) -> None:
        """Write trainer_state.json, whole or not at all."""
        if self.is_world_process_zero():
            with atomic_write(Path(self.args.output_dir, TRAINER_STATE)) as temporary:
                self.state.save_to_json(str(temporary))


@contextmanager
def temporarily_set(args: TrainingArguments, **values) -> Iterator[None]:
    """Set fields of `args` to other values within a `with` block, and restore the old values after it."""
    before = {name: getattr(args, name) for name in values}
    vars(args).update(values)
    try:
        yield
    finally:
        vars(args).update(before)


def every_row_in_order(args: TrainingArguments) -> AbstractContextManager[None]:
    """Turn off --dataloader_drop_last and --train_sampling_strategy, so that all rows are scored in their order."""
    return temporarily_set(args, dataloader_drop_last=False, train_sampling_strategy="random")

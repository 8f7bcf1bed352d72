"""`Trainer` with the loss, the batches and the checkpoints that make runs comparable and safe to interrupt."""

import json
import math
import time
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import gather_object
from peft import PeftModel
from torch import Tensor, nn
from torch.utils.data import SequentialSampler
from transformers import EarlyStoppingCallback, Trainer

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import whole, write_json
from sentiment_hf.common.layout import BROKEN_BATCH, CLOCK, TRAINER_STATE
from sentiment_hf.models.adapters import write_labels
from sentiment_hf.tasks.metrics import compute_metrics, cross_entropy
from sentiment_hf.training.batches import LengthBucketSampler
from sentiment_hf.training.checkpoints import keep_alone, own_damage, rotate, write_manifest
from sentiment_hf.training.disk import full_disk_explained
from sentiment_hf.training.loss import classification_loss, only_logits

# Tokens of a text that are shown where its batch failed.
BEGINNING = 30


class ClassificationTrainer(Trainer):
    """`Trainer` with its own loss, length-bucketed batches, true evaluation loss, clock and checkpoint manifests."""

    def __init__(
        self, *args, class_weights: Tensor | None, length_bucketing: bool, checkpoint_verify: str = "sha256", **kwargs
    ):
        label_smoothing = kwargs["args"].label_smoothing_factor
        super().__init__(
            *args,
            compute_loss_func=classification_loss(class_weights, label_smoothing),
            compute_metrics=compute_metrics,
            preprocess_logits_for_metrics=only_logits,
            **kwargs,
        )
        # The loss takes `num_items_in_batch` itself; the models need not.
        self.model_accepts_loss_kwargs = False
        self.length_bucketing = length_bucketing
        self.checkpoint_verify = checkpoint_verify
        if self.train_dataset is not None:
            self.train_dataset = self.train_dataset.add_column("row", np.arange(len(self.train_dataset)))
        # Of the optimizer step that is being made.
        self.step_rows: list[Tensor] = []
        self.step_loss = torch.tensor(0.0, device=self.args.device)
        # Counted now, for adapters may be gone after training, merged into what they adapt.
        self.num_parameters = sum(weight.numel() for weight in self.model.parameters())
        self.num_trained = sum(weight.numel() for weight in self.model.parameters() if weight.requires_grad)
        self.clock = {"seconds": 0.0, "tokens": 0, "texts": 0}
        self.all_metrics: dict[str, float] = {}
        # None until the first step begins.
        self.resumed_at: float | None = None

    def _get_train_sampler(self, train_dataset=None):
        if not self.length_bucketing:
            return super()._get_train_sampler(train_dataset)
        args = self.args
        step = args.train_batch_size * args.world_size * args.gradient_accumulation_steps
        seed = args.seed if args.data_seed is None else args.data_seed
        return LengthBucketSampler(self.train_dataset["length"][:], step, seed)

    def _get_eval_sampler(self, eval_dataset):
        """In the order of the rows, whatever --train_sampling_strategy; accelerate shares them out by itself."""
        return SequentialSampler(eval_dataset) if self.args.world_size == 1 else None

    def _get_dataloader(self, *args, is_training: bool = False, **kwargs):
        """--dataloader_drop_last is for training: every row is scored."""
        drop_last = self.args.dataloader_drop_last
        self.args.dataloader_drop_last = drop_last and is_training
        try:
            return super()._get_dataloader(*args, is_training=is_training, **kwargs)
        finally:
            self.args.dataloader_drop_last = drop_last

    def save_metrics(self, split: str, metrics: dict[str, float], combined: bool = True) -> None:
        """`Trainer` reads all_results.json to add to it, and cannot read half a file of a run that was killed."""
        self.all_metrics |= metrics
        if self.is_world_process_zero():
            for name, content in ((split, metrics), ("all", self.all_metrics)):
                write_json(Path(self.args.output_dir, f"{name}_results.json"), content)

    def _run_epoch(self, *args, **kwargs) -> None:
        """`Trainer` forgets on resume that training was over: cut off while it was tested, a run would train on."""
        if self.state.global_step >= self.state.max_steps or any(
            stopper.early_stopping_patience_counter >= stopper.early_stopping_patience for stopper in self.stoppers()
        ):
            self.control.should_training_stop = True
        else:
            super()._run_epoch(*args, **kwargs)

    def _load_callback_state(self) -> None:
        """The patience is that of the flags, which --force_resume can change; the checkpoint says what is used up."""
        patience = [stopper.early_stopping_patience for stopper in self.stoppers()]
        super()._load_callback_state()
        for stopper, asked in zip(self.stoppers(), patience, strict=True):
            stopper.early_stopping_patience = asked

    def stoppers(self) -> list[EarlyStoppingCallback]:
        """None or one."""
        return [found for found in self.callback_handler.callbacks if isinstance(found, EarlyStoppingCallback)]

    def training_step(self, model: nn.Module, inputs: dict, num_items_in_batch=None) -> Tensor:
        """Count the tokens and texts of the step (padding is not one), and start the clock at the first."""
        if self.resumed_at is None:
            self.resumed_at = time.perf_counter()
        self.step_rows.append(inputs.pop("row"))
        if "attention_mask" in inputs:
            mask = inputs["attention_mask"]
        else:
            # Some stock models take none.
            mask = inputs["input_ids"] != self.processing_class.pad_token_id
        self.clock["tokens"] += mask.sum()
        self.clock["texts"] += len(mask)
        loss = super().training_step(model, inputs, num_items_in_batch)
        self.step_loss = self.step_loss + loss
        return loss

    def _set_signature_columns_if_needed(self) -> None:
        """A training batch also has the numbers of its rows, which are not for the model."""
        super()._set_signature_columns_if_needed()
        if "row" not in self._signature_columns:
            self._signature_columns.append("row")

    def _get_grad_norm(self, model: nn.Module, grad_norm: Tensor | None = None) -> Tensor | float:
        """Called before each optimizer step: one that would ruin the weights is not made.

        In fp16 gradients overflow now and then; its scaler leaves out such a step and goes on.
        """
        norm = super()._get_grad_norm(model, grad_norm)
        if self.accelerator.scaler is None and not math.isfinite(norm):
            self._stop_before_step(float(norm))
        self.step_rows.clear()
        self.step_loss = torch.zeros_like(self.step_loss)
        return norm

    def _stop_before_step(self, norm: float) -> None:
        """Raises TrainingError, once the rows of the step are written; all processes come here, at the same step."""
        rows = gather_object(torch.cat(self.step_rows).tolist())
        loss = float(self.accelerator.reduce(self.step_loss))
        step, file = self.state.global_step + 1, Path(self.args.output_dir, BROKEN_BATCH)
        if self.is_world_process_zero():
            ids = self.train_dataset.select(rows)["input_ids"][:]
            texts = self.processing_class.batch_decode([text[:BEGINNING] for text in ids], skip_special_tokens=True)
            found = [{"row": row, "begins": text} for row, text in zip(rows, texts, strict=True)]
            write_json(file, {"step": step, "loss": repr(loss), "grad_norm": repr(norm), "rows": found})
        raise TrainingError(
            f"at step {step} the loss is {loss} and the norm of its gradient {norm}: the step was not made, and its "
            f"rows are in {file}; lower --learning_rate or --max_grad_norm, or look at these rows"
        )

    def _maybe_log_save_evaluate(self, *args, **kwargs) -> None:
        """The clock stands still while metrics are logged, validation runs and checkpoints are written."""
        if self.resumed_at is not None:
            self.clock["seconds"] += time.perf_counter() - self.resumed_at
        super()._maybe_log_save_evaluate(*args, **kwargs)
        self.resumed_at = time.perf_counter()

    def evaluation_loop(self, *args, **kwargs):
        """`Trainer` gives the texts of a smaller last batch more weight; this loss is the mean over all rows."""
        output = super().evaluation_loop(*args, **kwargs)
        prefix = kwargs.get("metric_key_prefix", "eval")
        output.metrics[f"{prefix}_loss"] = cross_entropy(output.predictions, output.label_ids)
        return output

    def _save_checkpoint(self, model: nn.Module, trial) -> None:
        """The manifest comes last, and only then are older checkpoints deleted."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        folder = self.checkpoint_at(self.state.global_step)
        with full_disk_explained(folder):
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            clock = self.total_clock()
            if self.args.should_save:
                write_json(folder / CLOCK, clock)
                write_manifest(folder, self.checkpoint_verify)
        self.args.save_total_limit = limit
        if self.args.should_save:
            best = self.state.best_model_checkpoint
            rotate(folder.parent, limit, Path(best) if best else None)

    def _init_training_state(self, *args, **kwargs) -> tuple[int, int]:
        """The best checkpoint lies in the output folder, wherever that has been moved to since."""
        begun = super()._init_training_state(*args, **kwargs)
        if self.state.best_global_step and self.checkpoint_at(self.state.best_global_step).is_dir():
            self.state.best_model_checkpoint = str(self.checkpoint_at(self.state.best_global_step))
        return begun

    def _finalize_training(self, *args, **kwargs):
        """`Trainer` would now keep the best checkpoint alone: cut off while it is tested, a run would train on."""
        limit, self.args.save_total_limit = self.args.save_total_limit, None
        output = super()._finalize_training(*args, **kwargs)
        self.args.save_total_limit = limit
        return output

    def keep_best_alone(self) -> None:
        """Once the run is finished, where one checkpoint is to be kept."""
        best = self.state.best_model_checkpoint
        if self.args.should_save and self.args.save_total_limit == 1 and best:
            keep_alone(Path(best))

    def _load_best_model(self) -> None:
        """Raises TrainingError where it is not what was written: `Trainer` would load a flipped bit."""
        best = Path(self.state.best_model_checkpoint)
        if reason := own_damage(best, self.checkpoint_verify):
            raise TrainingError(
                f"{best}, the best checkpoint, was damaged since it was written ({reason}); the same command goes on "
                "from an older one, or from the start"
            )
        super()._load_best_model()

    def save_state(self) -> None:
        """Whole or not at all."""
        if self.is_world_process_zero():
            with whole(Path(self.args.output_dir, TRAINER_STATE)) as temporary:
                self.state.save_to_json(str(temporary))

    def checkpoint_at(self, step: int) -> Path:
        """Its folder."""
        return Path(self.args.output_dir, f"checkpoint-{step}")

    def _save(self, output_dir: str | None = None, state_dict: dict | None = None) -> None:
        """An adapter is saved without the config of its model, and so without the names of the classes."""
        super()._save(output_dir, state_dict)
        if isinstance(self.model, PeftModel) and self.args.should_save:
            write_labels(self.model, Path(output_dir or self.args.output_dir))

    def restore_clock(self, checkpoint: Path) -> None:
        """Seconds, tokens, texts of the sessions before, kept by the first process: they are sums over all."""
        if self.is_world_process_zero():
            self.clock = json.loads((checkpoint / CLOCK).read_text())

    def total_clock(self) -> dict[str, float | int]:
        """Training so far, in all sessions: wall-clock seconds of the first process, tokens and texts of all."""
        counts = torch.tensor([int(self.clock["tokens"]), self.clock["texts"]], device=self.args.device)
        tokens, texts = self.accelerator.reduce(counts).tolist()
        return {"seconds": self.clock["seconds"], "tokens": tokens, "texts": texts}

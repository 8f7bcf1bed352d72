"""Build the trainer of a run from its flags and its data, train, and save the weights that are best on validation."""

import errno
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader
from transformers import PreTrainedModel, TrainerCallback, TrainingArguments, set_seed

from sentiment_hf.common.cache import Cache
from sentiment_hf.common.errors import InputError, Interrupted, TrainingError
from sentiment_hf.common.layout import HISTORY
from sentiment_hf.common.profile import station
from sentiment_hf.common.stopwatch import Stopwatch
from sentiment_hf.data.splits import Splits
from sentiment_hf.models.load import load_model, load_tokenizer
from sentiment_hf.models.quiet import keep_back_chatter
from sentiment_hf.settings.arguments import RunArguments, RunSpec
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.task import Task
from sentiment_hf.text.encoded import EncodedTexts
from sentiment_hf.text.tokenize import tokenize
from sentiment_hf.text.unknown import advice_for, say_unknown, unknown_in
from sentiment_hf.text.word_vectors import initialise_embedding
from sentiment_hf.training.arguments import as_given
from sentiment_hf.training.averaging import AveragedWeights
from sentiment_hf.training.batches import FewLengthsCollator, longest_first
from sentiment_hf.training.callbacks import (
    EarlyStoppingCallback,
    MetricsFile,
    SparseValidation,
    StopOnBrokenLoss,
    StopOnSignal,
)
from sentiment_hf.training.checkpoints import pickles_refused, warn_of_other_versions
from sentiment_hf.training.disk import require_shared_memory, require_space
from sentiment_hf.training.out_of_memory import memory_explained
from sentiment_hf.training.processes import lost_processes_explained
from sentiment_hf.training.safe_trainer import SafeTrainer
from sentiment_hf.training.schedule import bound_steps, epochs_per_validation
from sentiment_hf.training.sharding import refuse_unshardable
from sentiment_hf.training.steps import require_steps
from sentiment_hf.training.teaching import training_texts
from sentiment_hf.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)

# What to do if the tokenizer of a checkpoint does not know the texts.
OTHER_CHECKPOINT = "take a checkpoint that was trained on texts in this language"


def build_trainer(
    spec: RunSpec, args: TrainingArguments, splits: Splits, resumed: ModelRef | None = None
) -> ClassificationTrainer:
    """Load or make tokenizer and model, tokenize train and validation, and return the trainer with all of them.

    `resumed` is the checkpoint from which the run will go on; its tokenizer is used.

    Raises:
        InputError: tokenizer or model cannot be loaded, or `Trainer` refuses a combination of flags.
    """
    set_seed(args.seed)
    keep_back_chatter()
    stations = Stopwatch()
    texts, lessons = training_texts(splits)
    with stations.counting("preprocessing"), first_process_first(args, spec.data.cache):
        tokenizer = load_tokenizer(spec, texts, resumed, spec.data.cache)
    model = load_model(spec, splits.task, tokenizer, args.do_train, splits.columns)
    collator = FewLengthsCollator(tokenizer)
    with stations.counting("preprocessing"):
        train, validation = preprocess(spec, args, replace(splits, train=texts), model, collator)
        train = train.with_columns(lessons)
    epochs = bound_steps(args, spec.run, len(train)) if args.do_train else 0
    every = epochs_per_validation(epochs, len(train), len(validation))
    with refusals_explained():
        kind, more = trainer_kind(spec, args, len(train))
        trainer = kind(
            model=model,
            args=args,
            given_args=as_given(args, spec),
            task=splits.task,
            train_dataset=train,
            eval_dataset=longest_first(validation)[0],
            processing_class=tokenizer,
            data_collator=collator,
            loss=splits.task.loss(splits.train.labels, spec.run, args.label_smoothing_factor),
            length_bucketing=spec.run.length_bucketing,
            checkpoint_verify=spec.run.checkpoint_verify,
            callbacks=run_callbacks(spec.run, args, every),
            **more,
        )
    complete(trainer, spec, splits, validation, stations)
    if spec.run.adversarial == "vat":
        trainer.virtual_epsilon = spec.run.adversarial_epsilon
        # The mean over the texts with labels, as without texts that have none.
        trainer.label_weight = len(texts) / len(splits.train)
    return trainer


def trainer_kind(
    spec: RunSpec, args: TrainingArguments, rows: int
) -> tuple[type[ClassificationTrainer], dict[str, Any]]:
    """The trainer of a run with so many rows of train, and what it is given beside the usual."""
    if spec.run.dp_epsilon is None:
        return ClassificationTrainer, {}
    from sentiment_hf.training.private import PrivacyPlan, PrivateTrainer

    return PrivateTrainer, {"plan": PrivacyPlan.of_run(args, spec.run, rows)}


def complete(
    trainer: SafeTrainer, spec: RunSpec, splits: Splits, validation: EncodedTexts, stations: Stopwatch
) -> None:
    """Give a trainer of any kind what it knows of the run, and let it do what the flags ask for beside the usual.

    Raises InputError as `refuse_unshardable`.
    """
    run_args = spec.run
    refuse_unshardable(trainer, spec)
    trainer.validation, trainer.reading = validation, splits.reading
    trainer.clock.stations, trainer.clock.side_by_side = stations, run_args.side_by_side
    if run_args.adversarial == "at":
        trainer.adversarial_epsilon = run_args.adversarial_epsilon
    trainer.layer_lr_decay, trainer.no_texts = run_args.layer_lr_decay, spec.data.no_texts
    if run_args.ema is not None:
        trainer.average = AveragedWeights(run_args.ema, trainer.model)
        trainer.add_callback(trainer.average)


def say_odd_choice(args: TrainingArguments, task: Task) -> None:
    """Say so if validation is scored and does not choose the weights, or chooses the worst."""
    if not args.do_train:
        return
    metric = (args.metric_for_best_model or "loss").removeprefix("eval_")
    if args.load_best_model_at_end and args.greater_is_better != (metric not in task.falling):
        logger.warning(
            "--greater_is_better %s: the checkpoint with the worst %s is kept", args.greater_is_better, metric
        )
    if args.eval_strategy != "no" and not args.load_best_model_at_end:
        cause = "--save_strategy no" if args.save_strategy == "no" else "--load_best_model_at_end false"
        logger.warning("%s: the weights of the last step are kept, whatever validation says", cause)


def preprocess(
    spec: RunSpec, args: TrainingArguments, splits: Splits, model: PreTrainedModel, collator: FewLengthsCollator
) -> tuple[EncodedTexts, EncodedTexts]:
    """Train and validation as token ids; a new `model` gets what it takes from train."""
    tokenizer = collator.tokenizer
    if vectors := spec.new_model.word_vectors:
        found = initialise_embedding(model, tokenizer, vectors)
        logger.warning("%s covers %.1f %% of the vocabulary", vectors, 100 * found)
    with first_process_first(args, spec.data.cache):
        train, validation = (
            tokenize(part, tokenizer, tokenizer.model_max_length, spec.data.cache)
            for part in (splits.train, splits.validation)
        )
    if spec.model.is_new and spec.run.dp_epsilon is None:
        with station("preparing"):
            grouped = train.with_column("label", splits.task.groups(splits.train.labels))
            model.prepare(LabelledBatches(grouped, collator))
    return train, validation


def first_process_first(args: TrainingArguments, cache: Cache) -> AbstractContextManager[None]:
    """With a cache, let the first process of each machine write what the others then read."""
    return nullcontext() if cache.home is None else args.main_process_first(desc="tokenizing")


def say_unknown_tokens(trainer: ClassificationTrainer, spec: RunSpec) -> None:
    """Say so if the tokenizer does not know many of the tokens of validation, and what helps."""
    known = advice_for(spec.tokenizer.tokenizer) if (spec.embed_with or spec.model).is_new else OTHER_CHECKPOINT
    say_unknown(unknown_in(trainer.eval_dataset, trainer.processing_class), known)


class LabelledBatches:
    """All rows of `train`, as often as they are asked for: ids (batch, length), mask bool alike, and labels."""

    def __init__(self, train: EncodedTexts, collator: FewLengthsCollator):
        self.loader = DataLoader(longest_first(train)[0], batch_size=64, collate_fn=collator)

    def __iter__(self) -> Iterator[tuple[torch.Tensor, ...]]:
        for batch in self.loader:
            yield batch["input_ids"], batch["attention_mask"].bool(), batch["labels"]


def run_callbacks(
    run_args: RunArguments, training_args: TrainingArguments, epochs_per_validation: int
) -> list[TrainerCallback]:
    """The callbacks of every run, and those of its validations."""
    chosen = [StopOnSignal(), MetricsFile(Path(training_args.output_dir, HISTORY)), StopOnBrokenLoss()]
    if run_args.early_stopping_patience is not None and training_args.eval_strategy != "no":
        chosen.append(EarlyStoppingCallback(run_args.early_stopping_patience))
    if training_args.eval_strategy == "epoch" and epochs_per_validation > 1:
        logger.warning("validation is scored every %d epochs: train has few rows", epochs_per_validation)
        chosen.append(SparseValidation(epochs_per_validation))
    return chosen


@contextmanager
def refusals_explained(proved: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Turn an error of `Trainer` or of the model into InputError, unless a step has `proved` that they can train.

    Before that, the cause is a flag that needs another package, another model or another flag, or a model that
    refuses its input.
    """
    try:
        yield
    except (InputError, TrainingError):
        raise
    except (ValueError, TypeError, ImportError, AssertionError, KeyError, RuntimeError, OSError) as error:
        if proved():
            raise
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and error.filename is None:
            # Processes that fetch batches share memory by files without a name there.
            raise InputError(
                "/dev/shm, where processes that fetch batches share memory, is full: give --dataloader_num_workers 0, "
                "or more room (docker run --shm-size)"
            ) from error
        reason = " ".join(str(error).split())
        raise InputError(f"these flags cannot be used here ({type(error).__name__}): {reason}") from error


def require_room(trainer: SafeTrainer) -> None:
    """Raise InputError if there is no step to make, or neither disk nor shared memory has room for what it writes."""
    require_steps(trainer)
    with refusals_explained():
        require_space(trainer)
        require_shared_memory(trainer)


@station("steps")
def train(trainer: SafeTrainer, checkpoint: Path | None) -> None:
    """Train from the start or from a whole `checkpoint`; the model then has the weights that are best on validation.

    Raises:
        InputError: the flags cannot be used here, or a batch does not fit into memory.
        TrainingError: training could not continue.
        Interrupted: a signal stopped training, and a checkpoint was saved.
    """
    if checkpoint:
        logger.warning("going on from %s", checkpoint)
        warn_of_other_versions(checkpoint)
        trainer.clock.restore(checkpoint)
        if trainer.average:
            trainer.average.resumed = checkpoint
    stop = next(c for c in trainer.callback_handler.callbacks if isinstance(c, StopOnSignal))
    proved = refusals_explained(lambda: trainer.clock.stepped)
    with stop, proved, lost_processes_explained(), memory_explained(), pickles_refused(checkpoint):
        result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.state.global_step == 0:
        raise TrainingError("no step was made, so nothing was trained and nothing is saved")
    if stop.signum is not None:
        raise Interrupted(
            stop.signum, f"stopped at step {trainer.state.global_step}, saved; the same command goes on from there"
        )
    trainer.save_state()
    trainer.save_metrics("train", result.metrics)


@station("report")
def save_model(trainer: SafeTrainer, folder: Path, merge: bool) -> None:
    """Save the model in `folder`: a whole checkpoint, or an adapter unless `merge` merges it into its base."""
    with trainer.clock.stations.counting("saving"):
        if merge:
            trainer.model = trainer.model_wrapped = trainer.model.merge_and_unload()
        trainer.save_model(str(folder))

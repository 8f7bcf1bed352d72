"""The straight line from flags to report: data, tokenizer, model, training, validation, test once."""

import dataclasses
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path

import datasets
import huggingface_hub
import numpy as np
import torch
import transformers
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from datasets import ClassLabel, Dataset
from torch.utils.data import DataLoader
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

from sentiment_hf.args import AUTO, DataArguments, ModelArguments, RunArguments
from sentiment_hf.baselines.fitting import prepare_baseline
from sentiment_hf.card import license_of, write_card
from sentiment_hf.checkpoints import newest_whole, pickles_refused, warn_of_versions, write_json
from sentiment_hf.data import Splits, load_splits
from sentiment_hf.errors import InputError, Interrupted, NotPushedError, TrainingError
from sentiment_hf.failures import lost_processes_explained
from sentiment_hf.folder import as_before_if_refused, claim, fingerprint_of, finished_report, identity, locked
from sentiment_hf.launch import refuse_fewer_processes, use_all_cores
from sentiment_hf.memory import BatchTooLargeError, halve_batches, memory_explained
from sentiment_hf.metrics import full_scores
from sentiment_hf.models import at_its_commit, is_fresh, label_order, load_model, load_tokenizer, require_checkpoint
from sentiment_hf.names import is_adapter, is_baseline
from sentiment_hf.push import push, require_pushable
from sentiment_hf.report import PREDICTIONS, describe_run, environment, recipe, table, write_predictions
from sentiment_hf.sampling import FewLengthsCollator
from sentiment_hf.space import require_space, unwritable_explained
from sentiment_hf.tokenization import tokenize, truncation
from sentiment_hf.trainer import ClassificationTrainer, MetricsFile, StopOnBrokenLoss, StopOnSignal
from sentiment_hf.tuning import base_of
from sentiment_hf.word_vectors import initialise_embedding

logger = logging.getLogger(__name__)


def run(
    model_args: ModelArguments, data_args: DataArguments, run_args: RunArguments, training_args: TrainingArguments
) -> dict:
    """Train, validate and test one model, or go on where an interrupted run stopped; a finished run only reports.

    Returns:
        The report, as written to report.json in the output folder.

    Raises:
        InputError: something that the user gave cannot be used.
        TrainingError: training began and could not go on.
        Interrupted: a signal came; a checkpoint is written.
        NotPushedError: all is done and saved, but the Hub did not take it.
    """
    require_pushable(model_args, training_args)
    # `Trainer` would make the repository before anything is trained, and push what is half done.
    pushes, training_args.push_to_hub = training_args.push_to_hub, False
    # `Trainer` would make smaller batches and larger steps of them, or rather more and smaller steps.
    finds, training_args.auto_find_batch_size = training_args.auto_find_batch_size, False
    show_progress(not training_args.disable_tqdm)
    use_all_cores(training_args, run_args.num_cpu_threads)
    refuse_fewer_processes(training_args)
    require_checkpoints(model_args)
    known = identify(model_args, data_args, run_args, training_args, load_splits(data_args))
    folder = Path(training_args.output_dir)
    with training_args.main_process_first(local=False, desc="looking at the output folder"):
        report = finished_report(folder, known.identity, run_args)
    # None of them may find the lock of the first, which goes on.
    PartialState().wait_for_everyone()
    if report:
        logger.warning("%s holds this run already, finished; its result:", folder)
    else:
        report = train_and_test_in(folder, known, data_args, run_args, training_args, finds)
    if training_args.process_index == 0:
        print(table(report), flush=True)
        if pushes:
            publish(folder, training_args, run_args.license)
    return report


def train_and_test_in(
    folder: Path,
    known: "Known",
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    finds_batch_size: bool,
) -> dict:
    """The report of a run that is not finished; the folder is its own from when nothing can be refused any more."""
    # Asked now: after hours of training the network may be gone.
    facts = facts_of(known, run_args, training_args)
    ready = partial(prepare, known.source, data_args, run_args, training_args, known.splits, facts)
    begin = ready()
    writes = training_args.process_index == 0
    claimed = locked(folder) if writes else nullcontext()
    undone = as_before_if_refused(folder) if writes and run_args.force_resume else nullcontext()
    with unwritable_explained(folder), lost_processes_explained(), claimed, undone:
        with training_args.main_process_first(local=False, desc="claiming the output folder"):
            checkpoint = claim(folder, known.identity, run_args, writes)
        while True:
            try:
                return begin(checkpoint)
            except BatchTooLargeError as error:
                if not finds_batch_size:
                    raise
                halve_batches(training_args, error)
            # All that trains is made anew, once nothing holds on to what failed: outside of `except`, without a name.
            del begin
            clear_device_cache(garbage_collection=True)
            begin, checkpoint = ready(), newest_whole(folder, run_args.checkpoint_verify)


@dataclasses.dataclass(frozen=True)
class Known:
    """What is known of a run before it begins.

    model_args: with the commit of a model of the Hub; source: also with its adapter as a folder. splits: with the
    classes in the order of the checkpoint. identity: what makes two runs the same.
    """

    model_args: ModelArguments
    source: ModelArguments
    splits: Splits
    identity: dict


def identify(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
) -> Known:
    """Look at the model, which has been asked for by `require_checkpoints`; `output_dir` is set if not named.

    Raises:
        InputError: the checkpoint cannot be fetched, or has other classes than the data.
    """
    source = at_its_commit(model_args)
    model_args = dataclasses.replace(model_args, model_revision=source.model_revision)
    splits = in_label_order(splits, label_order(source), training_args.do_train)
    if training_args.output_dir == AUTO:
        folder = default_folder(model_args, run_args, training_args, splits.name)
        if ".." in folder.parts:
            raise InputError(f"the run would go to {folder}, after the names of its files; name it by --output_dir")
        training_args.output_dir = str(folder)
    return Known(model_args, source, splits, identity(model_args, data_args, run_args, training_args, splits))


def facts_of(known: Known, run_args: RunArguments, training_args: TrainingArguments) -> dict:
    """What the report says of the run before it begins."""
    how = tuning(known.model_args, training_args)
    facts = describe_run(known.model_args, run_args, training_args.seed, known.splits, how)
    facts |= {"fingerprint": fingerprint_of(known.identity), "data_hash": known.identity["data"]}
    facts |= {"test_hash": known.splits.test_hash}
    return facts | origin(known.source, run_args)


def require_checkpoints(args: ModelArguments) -> None:
    """Those of --model and --embed_with can be had."""
    if not is_fresh(args.model_name_or_path):
        require_checkpoint(args.model_name_or_path)
    if args.embed_with:
        require_checkpoint(args.embed_with, "--embed_with")


def prepare(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
    facts: dict,
) -> Callable[[Path | None], dict]:
    """What trains, from a checkpoint if there is one, and returns the report, into which `facts` go.

    Whatever can be refused is refused before it is returned.
    """
    if is_baseline(model_args.model_name_or_path):
        return prepare_baseline(model_args, training_args, splits, facts)
    trainer = build_trainer(model_args, data_args, run_args, training_args, splits)
    with refusals_explained():
        require_space(trainer)
    return partial(train_and_test, trainer, splits, model_args.merge_adapter, facts)


def train_and_test(
    trainer: ClassificationTrainer, splits: Splits, merge: bool, facts: dict, checkpoint: Path | None
) -> dict:
    """The report of all that was asked for; `merge` saves an adapter as one checkpoint with its base."""
    if trainer.args.do_train:
        train(trainer, checkpoint, merge)
    elif merge:
        save(trainer, merge=True)
    report = evaluate(trainer, splits, merge, facts)
    trainer.keep_best_alone()
    trainer.end()
    return report


def origin(source: ModelArguments, run_args: RunArguments) -> dict[str, str | None]:
    """`base_model`, the checkpoint that the result is made of, if there is one, and the `license` of the result."""
    name = source.embed_with or source.model_name_or_path
    if is_fresh(name):
        return {"base_model": None, "license": run_args.license}
    revision = "main" if source.embed_with else source.model_revision
    base = base_of(name)[0] if is_adapter(name) else name
    return {"base_model": base, "license": run_args.license or license_of(name, revision)}


def publish(folder: Path, args: TrainingArguments, license_name: str | None) -> None:
    """--push_to_hub"""
    try:
        url = push(folder, args.hub_model_id, args.hub_private_repo, license_name)
    except InputError as error:
        raise NotPushedError(f"trained, but not pushed: {error}") from error
    print(f"pushed to {url}")


def show_progress(shown: bool) -> None:
    """Bars for data and training, or none at all; never one for writing a file that is there at once."""
    transformers.utils.logging.disable_progress_bar()
    if not shown:
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()


def in_label_order(splits: Splits, order: list[str] | None, trains: bool) -> Splits:
    """Class ids as the head of a checkpoint numbers them, by name; other classes need training."""
    names = splits.train.features["label"].names
    if order is None or order == names:
        return splits
    if sorted(order) != sorted(names):
        if not trains:
            raise InputError(f"--model knows the classes {order}, the data has {names}; train it on them first")
        logger.warning("the checkpoint knows the classes %s; it is tuned to %s", order, names)
        return splits
    parts = {part: renumber(getattr(splits, part), order) for part in ("train", "validation", "test")}
    return dataclasses.replace(splits, **parts)


def renumber(dataset: Dataset, order: list[str]) -> Dataset:
    """The same labels by name, with ids by this order."""
    names = dataset.features["label"].names
    ids = [order.index(names[label]) for label in dataset["label"]]
    return dataset.remove_columns("label").add_column("label", ids, feature=ClassLabel(names=order))


def default_folder(
    model_args: ModelArguments, run_args: RunArguments, training_args: TrainingArguments, dataset: str
) -> Path:
    """out/<dataset>/<recipe of a fresh model, its name without one, or a checkpoint's and how it is tuned>."""
    how = tuning(model_args, training_args)
    if how == "baseline":
        return Path("out", dataset, recipe(run_args) or model_args.model_name_or_path)
    name = recipe(run_args) if how == "scratch" else f"{Path(model_args.model_name_or_path).name}-{how}"
    if model_args.embed_with:
        name += f"-on-{Path(model_args.embed_with).name}"
    return Path("out", dataset, name)


def tuning(model_args: ModelArguments, training_args: TrainingArguments) -> str:
    """scratch: all weights fresh; full, head, lora: what of a checkpoint is trained; none: a checkpoint as it is.

    A baseline is none of these: baseline.
    """
    if is_baseline(model_args.model_name_or_path):
        return "baseline"
    if is_fresh(model_args.model_name_or_path):
        return "scratch"
    return model_args.tuning if training_args.do_train else "none"


def build_trainer(
    model_args: ModelArguments,
    data_args: DataArguments,
    run_args: RunArguments,
    training_args: TrainingArguments,
    splits: Splits,
) -> ClassificationTrainer:
    """Tokenizer, tokenized splits, model, and the trainer around them."""
    set_seed(training_args.seed)
    tokenizer = load_tokenizer(model_args, splits.train["text"], data_args.max_seq_length, data_args.truncation)
    names = splits.train.features["label"].names
    model = load_model(model_args, names, tokenizer, trains=training_args.do_train)
    if model_args.word_vectors:
        found = initialise_embedding(model, tokenizer, model_args.word_vectors)
        logger.warning("%s covers %.1f %% of the vocabulary", model_args.word_vectors, 100 * found)
    train, validation = (
        tokenize(part, tokenizer, tokenizer.model_max_length) for part in (splits.train, splits.validation)
    )
    collator = FewLengthsCollator(tokenizer)
    if is_fresh(model_args.model_name_or_path):
        model.prepare(labelled_batches(train, collator))
    with refusals_explained():
        trainer = ClassificationTrainer(
            model=model,
            args=training_args,
            train_dataset=train,
            eval_dataset=longest_first(validation)[0],
            processing_class=tokenizer,
            data_collator=collator,
            class_weights=balanced_weights(splits.train) if run_args.class_weights else None,
            length_bucketing=run_args.length_bucketing,
            checkpoint_verify=run_args.checkpoint_verify,
            callbacks=callbacks(run_args, training_args),
        )
    # With --disable_tqdm nothing is printed before the result; metrics.jsonl has it all.
    trainer.remove_callback(PrinterCallback)
    return trainer


def labelled_batches(train: Dataset, collator: FewLengthsCollator) -> Iterator[tuple[torch.Tensor, ...]]:
    """(batch, length) ids, (batch, length) bool mask, (batch,) labels of all rows."""
    for batch in DataLoader(longest_first(train)[0], batch_size=64, collate_fn=collator):
        yield batch["input_ids"], batch["attention_mask"].bool(), batch["labels"]


def callbacks(run_args: RunArguments, training_args: TrainingArguments) -> list[TrainerCallback]:
    """Ours, and early stopping where there is a patience, as in most recipes, and something is evaluated."""
    chosen = [StopOnSignal(), MetricsFile(Path(training_args.output_dir, "metrics.jsonl")), StopOnBrokenLoss()]
    if run_args.early_stopping_patience is not None and training_args.eval_strategy != "no":
        chosen.append(EarlyStoppingCallback(run_args.early_stopping_patience))
    return chosen


@contextmanager
def refusals_explained(begun: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """What `Trainer` raises before training has `begun`: a flag wants another package, model or flag beside it."""
    try:
        yield
    except (InputError, TrainingError):
        raise
    except (ValueError, ImportError, AssertionError, KeyError, RuntimeError, OSError) as error:
        if begun():
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"these flags cannot be used here: {reason}") from error


def balanced_weights(train: Dataset) -> torch.Tensor:
    """rows / (classes * rows of the class), as in scikit-learn: the mean weight of a row is 1; 0 without rows."""
    counts = np.bincount(train["label"], minlength=train.features["label"].num_classes)
    weights = np.where(counts, len(train) / (np.count_nonzero(counts) * np.maximum(counts, 1)), 0)
    return torch.tensor(weights, dtype=torch.float32)


def longest_first(dataset: Dataset) -> tuple[Dataset, np.ndarray]:
    """Sorted by length, for batches with little padding; row i of the result is row order[i] of the data set."""
    order = np.argsort(-np.asarray(dataset["length"]), kind="stable")
    return dataset.select(order), order


def train(trainer: ClassificationTrainer, checkpoint: Path | None, merge: bool) -> None:
    """From the start or from a whole checkpoint; ends with the best weights by validation, saved."""
    if checkpoint:
        logger.warning("going on from %s", checkpoint)
        warn_of_versions(checkpoint)
        trainer.restore_clock(checkpoint)
    stop = next(c for c in trainer.callback_handler.callbacks if isinstance(c, StopOnSignal))
    begun = refusals_explained(lambda: trainer.resumed_at is not None)
    with stop, begun, lost_processes_explained(), memory_explained(), pickles_refused(checkpoint):
        result = trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if stop.signum is not None:
        raise Interrupted(
            stop.signum, f"stopped at step {trainer.state.global_step}, saved; the same command goes on from there"
        )
    save(trainer, merge)
    trainer.save_state()
    trainer.save_metrics("train", result.metrics)


def save(trainer: ClassificationTrainer, merge: bool) -> None:
    """What is to be loaded by others: a whole checkpoint, or an adapter if it is not to `merge` with its base."""
    if merge:
        trainer.model = trainer.model_wrapped = trainer.model.merge_and_unload()
    trainer.save_model()


def predict_logits(trainer: ClassificationTrainer, dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """(rows, num_labels) logits and (rows,) labels, in the order of the data set; writes <split>_results.json."""
    by_length, order = longest_first(dataset)
    with memory_explained():
        output = trainer.predict(by_length, metric_key_prefix=split)
    broken = order[~np.isfinite(output.predictions).all(-1)]
    if len(broken):
        raise TrainingError(
            f"{split}: what the model says of {len(broken):,} of {len(order):,} rows is not finite, the first of them "
            f"row {broken.min()}; its weights are broken, or take no such text"
        )
    trainer.save_metrics(split, output.metrics)
    logits, labels = np.empty_like(output.predictions), np.empty_like(output.label_ids)
    logits[order], labels[order] = output.predictions, output.label_ids
    return logits, labels


def evaluate(trainer: ClassificationTrainer, splits: Splits, merged: bool, facts: dict) -> dict:
    """Validation, then test once, with the chosen weights; writes the card and, last, report.json."""
    args, tokenizer = trainer.args, trainer.processing_class
    report = facts | describe(trainer)
    names = splits.train.features["label"].names
    for part, prefix, wanted in (("validation", "eval", args.do_eval), ("test", "test", args.do_predict)):
        if wanted:
            rows = tokenize(getattr(splits, part), tokenizer, tokenizer.model_max_length)
            logits, labels = predict_logits(trainer, rows, prefix)
            report[part] = full_scores(logits, labels, names)
            if trainer.is_world_process_zero():
                write_predictions(Path(args.output_dir, PREDICTIONS[part]), logits, labels, names)
    report |= environment()
    if trainer.is_world_process_zero():
        folder = Path(args.output_dir)
        if args.do_train or merged:
            write_card(folder, report)
        write_json(folder / "report.json", report)
    return report


def describe(trainer: ClassificationTrainer) -> dict:
    """What was trained, and for how long; all counts and seconds are of training steps only."""
    args, clock = trainer.args, trainer.total_clock()
    lengths = np.asarray(trainer.train_dataset["length"])
    limit = trainer.processing_class.model_max_length
    return {
        "model_type": trainer.model.config.model_type,
        "parameters": trainer.num_parameters,
        "trainable_parameters": trainer.num_trained,
        "train_seconds": clock["seconds"],
        "train_tokens": clock["tokens"],
        "train_tokens_per_second": clock["tokens"] / clock["seconds"] if clock["seconds"] else None,
        "train_texts_per_second": clock["texts"] / clock["seconds"] if clock["seconds"] else None,
        "epochs": trainer.state.epoch,
        "steps": trainer.state.global_step,
        "best_step": trainer.state.best_global_step if args.load_best_model_at_end else None,
        "processes": args.world_size,
        "mixed_precision": args.mixed_precision,
        "max_seq_length": limit,
        "truncation": truncation(trainer.processing_class),
        "train_texts_at_max_seq_length": float((lengths >= limit).mean()),
        "vocabulary": len(trainer.processing_class),
    }

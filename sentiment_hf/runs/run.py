"""The straight line from a `RunSpec` to a `Report`: data, tokenizer, model, training, validation, test once."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import torch
import transformers
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from threadpoolctl import threadpool_limits

from sentiment_hf.baselines.estimators import Baseline
from sentiment_hf.baselines.fitting import fit, prepare_baseline
from sentiment_hf.data.splits import load_splits
from sentiment_hf.runs.card import license_of, write_card
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.identity import KnownRun, fingerprint_of, identify, require_checkpoints
from sentiment_hf.runs.lock import locked
from sentiment_hf.runs.report import Report, command
from sentiment_hf.runs.run_folder import as_before_if_refused, claim, finished_report
from sentiment_hf.runs.score import (
    Scored,
    cost_of_model,
    score_baseline,
    score_model,
    scores_of,
    write_predictions,
)
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import Kind
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.checkpoints import newest_whole_checkpoint
from sentiment_hf.training.disk import require_space, unwritable_explained
from sentiment_hf.training.out_of_memory import BatchTooLargeError, halve_batches
from sentiment_hf.training.processes import lost_processes_explained, refuse_fewer_processes, use_all_cores
from sentiment_hf.training.train import build_trainer, refusals_explained, save_model, train
from sentiment_hf.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)


def run(spec: RunSpec) -> Report:
    """Train, validate and test one model, or go on where an interrupted run stopped; a finished run only reports.

    Raises:
        InputError: something that the user gave cannot be used.
        TrainingError: training began and could not go on.
        Interrupted: a signal came; a checkpoint is written.
    """
    show_progress(not spec.training["disable_tqdm"])
    args = training_arguments(spec)
    use_all_cores(args, spec.run.num_cpu_threads)
    refuse_fewer_processes(args)
    require_checkpoints(spec)
    known = identify(spec, args, load_splits(spec.data))
    with args.main_process_first(local=False, desc="looking at the output folder"):
        report = finished_report(known)
    # The first process takes the lock only after every other has looked, or the others would see it taken.
    PartialState().wait_for_everyone()
    if report:
        logger.warning("%s holds this run already, finished; its result:", known.folder)
        return report
    return train_and_test_in(known)


def train_and_test_in(known: KnownRun) -> Report:
    """Make a run that is not finished. Its folder is claimed after everything that can be refused was checked."""
    spec, args, folder = known.spec, known.args, known.folder
    # Asked now: after hours of training the network may be gone.
    report = report_before_training(known)
    begin = prepare(known, report)
    claimed = locked(folder) if known.writes else nullcontext()
    undone = as_before_if_refused(folder) if known.writes and spec.run.force_resume else nullcontext()
    with unwritable_explained(folder), lost_processes_explained(), claimed, undone:
        with args.main_process_first(local=False, desc="claiming the output folder"):
            checkpoint = claim(known)
        while True:
            try:
                return begin(checkpoint)
            except BatchTooLargeError as error:
                if not spec.training["auto_find_batch_size"]:
                    raise
                halve_batches(args, error)
            # Model and trainer are made anew, after all that refers to the old ones is gone: outside of `except`.
            del begin
            clear_device_cache(garbage_collection=True)
            begin, checkpoint = prepare(known, report), newest_whole_checkpoint(folder, spec.run.checkpoint_verify)


def prepare(known: KnownRun, report: Report) -> Callable[[Path | None], Report]:
    """Build model and trainer, or the baseline; returns the function that trains, scores and completes `report`.

    The function takes the checkpoint to go on from, or None. Input that can be refused is refused before it is called.
    """
    if known.spec.model.kind is Kind.BASELINE:
        baseline = prepare_baseline(known.spec, known.splits.validation, known.args.world_size)
        return partial(fit_and_test, baseline, known, report)
    trainer = build_trainer(known.spec, known.args, known.splits)
    with refusals_explained():
        require_space(trainer)
    return partial(train_and_test, trainer, known, report)


def train_and_test(trainer: ClassificationTrainer, known: KnownRun, report: Report, checkpoint: Path | None) -> Report:
    """Train a model, score it, save it with its card, and write the report last."""
    merges = known.spec.tuning.merge_adapter
    if trainer.args.do_train:
        train(trainer, checkpoint, merges)
    elif merges:
        save_model(trainer, merge=True)
    scored = score_model(trainer, known.splits)
    report = completed(report, known, cost_of_model(trainer), scored)
    if known.writes:
        if trainer.args.do_train or merges:
            write_card(known.folder, report)
        report.save(known.folder)
    trainer.keep_best_alone()
    trainer.end()
    return report


def fit_and_test(baseline: Baseline, known: KnownRun, report: Report, checkpoint: None) -> Report:
    """Fit a baseline, score it, save it, and write the report last; there are no checkpoints of a fit."""
    with threadpool_limits(torch.get_num_threads()):
        fitted = fit(baseline, known.splits)
        scored = score_baseline(fitted, known.splits)
    report = completed(report, known, {"model_type": report.model} | fitted.cost(), scored)
    fitted.save(known.folder)
    report.save(known.folder)
    return report


def report_before_training(known: KnownRun) -> Report:
    """The report with what is known before training: model, data, command, fingerprint."""
    spec, splits = known.spec, known.splits
    origin = None if (spec.embed_with or spec.model).is_new else (spec.embed_with or spec.model)
    return Report(
        model=spec.model.name,
        model_revision=spec.model.commit or spec.model.revision,
        tuning=spec.how,
        embed_with=spec.embed_with.name if spec.embed_with else None,
        base_model=origin.root.name if origin else None,
        license=spec.run.license or (license_of(origin) if origin else None),
        dataset=splits.name,
        dataset_id=splits.notes["hub_id"],
        seed=known.args.seed,
        recipe=spec.recipe,
        command=command(),
        task=splits.task.name,
        labels=list(splits.task.labels),
        duplicates=splits.notes["duplicates"],
        data=splits.notes,
        fingerprint=fingerprint_of(known.identity),
        data_hash=known.identity["data"],
        test_hash=splits.test_hash,
        folder=known.folder,
    )


def completed(report: Report, known: KnownRun, cost: dict[str, Any], scored: Scored) -> Report:
    """The report with what training cost and with the scores; one process writes the predictions."""
    if known.writes:
        write_predictions(known.folder, scored, known.splits.task)
    return replace(report, **cost, **scores_of(scored, known.splits.task), **environment())


def show_progress(shown: bool) -> None:
    """Progress bars for data and training, or none; never for writing a file, which is done at once."""
    transformers.utils.logging.disable_progress_bar()
    if not shown:
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()

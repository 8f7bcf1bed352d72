"""Makes one run, from `RunSpec` to `Report`: data, tokenizer, model, training, validation, and test once."""

import logging
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import huggingface_hub
import numpy as np
import psutil
import torch
import transformers
from accelerate import PartialState
from accelerate.utils.memory import clear_device_cache
from threadpoolctl import threadpool_limits

# Imported here because a library that it imports draws a random number: in the first validation of a resumed run that
# would be one more than in an undisturbed one.
import sentiment_hf.tasks.metrics  # noqa: F401
from sentiment_hf.baselines.estimators import Baseline
from sentiment_hf.baselines.fitting import fit_baseline, prepare_baseline, refit_baseline
from sentiment_hf.common.layout import REFIT
from sentiment_hf.common.profile import PROFILE, station
from sentiment_hf.common.stopwatch import Stopwatch
from sentiment_hf.data.splits import Splits, load_splits
from sentiment_hf.models.checkpoint import checkpoint_columns, checkpoint_reading
from sentiment_hf.models.target_scale import fold_output
from sentiment_hf.runs.abstention import abstention_entry, fitted_scores
from sentiment_hf.runs.add_test import add_test
from sentiment_hf.runs.calibrate import calibration_entry, take_from_validation
from sentiment_hf.runs.card import license_of, write_card
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.identity import (
    IdentifiedRun,
    fingerprint_of,
    flags_of_method,
    identify_run,
    require_checkpoints,
)
from sentiment_hf.runs.lock import folder_lock
from sentiment_hf.runs.origin import language_origin, learned_from_validation, privacy_of
from sentiment_hf.runs.pretrain import prepare_language_model
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.run_folder import (
    checkpoint_to_resume,
    claim_folder,
    report_of_finished_run,
    restored_if_refused,
)
from sentiment_hf.runs.score import (
    Scored,
    parts_to_score,
    score_baseline,
    score_model,
    scores_of_parts,
    training_cost,
    write_predictions,
)
from sentiment_hf.settings.arguments import DataArguments, RunSpec
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.text.usual import UsualTexts
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.checkpoints import delete_checkpoints, newest_whole_checkpoint
from sentiment_hf.training.device import refuse_data_parallel
from sentiment_hf.training.disk import unwritable_explained
from sentiment_hf.training.out_of_memory import BatchTooLargeError, halve_batches
from sentiment_hf.training.processes import lost_processes_explained, refuse_fewer_processes, use_all_cores
from sentiment_hf.training.refit import refit
from sentiment_hf.training.train import (
    build_trainer,
    refusals_explained,
    require_room,
    save_model,
    say_odd_choice,
    say_unknown_tokens,
    train,
)
from sentiment_hf.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)


# Asks the model of --teacher: {part: (rows, outputs) logits}, as `Splits.lessons` has them.
AskTeacher = Callable[[RunSpec, Splits], dict[str, np.ndarray]]


def run(spec: RunSpec, ask_teacher: AskTeacher | None = None) -> Report:
    """Train, validate and test one model, or resume an interrupted run.

    A finished run is not repeated: its report is returned. `ask_teacher` is needed with --teacher only; a model is
    used for its outputs by a station that builds on this one.

    Raises:
        InputError: the input of the user cannot be used.
        TrainingError: training or scoring failed.
        Interrupted: a signal stopped the run after a checkpoint was saved.
    """
    PROFILE.begin()
    memory_at_start = psutil.Process().memory_info().rss
    show_progress(not spec.training["disable_tqdm"])
    args = training_arguments(spec)
    use_all_cores(args, spec.run.num_cpu_threads)
    refuse_fewer_processes(args)
    if spec.model.kind is not Kind.BASELINE:
        refuse_data_parallel(args)
    require_checkpoints(spec)
    stations = Stopwatch()
    with stations.counting("data"):
        splits = load_data(spec)
    identified = identify_run(spec, args, splits)
    identified = replace(identified, data_seconds=stations.seconds["data"], memory_at_start=memory_at_start)
    with args.main_process_first(local=False, desc="looking at the output folder"):
        report = report_of_finished_run(identified)
    # The first process must not take the lock before all others have checked the folder: they would find it locked.
    PartialState().wait_for_everyone()
    if report:
        lacks_test = args.do_train and args.do_predict and not report.test
        if lacks_test and spec.run.objective == "labels":
            with folder_lock(identified.folder) if identified.writes else nullcontext():
                return add_test(identified, report)
        logger.warning("%s holds this run already, finished; its result:", identified.folder)
        return report
    if ask_teacher:
        identified = with_lessons(identified, ask_teacher)
    return execute_run(identified)


def with_lessons(identified: IdentifiedRun, ask_teacher: AskTeacher) -> IdentifiedRun:
    """The run with what the teacher says of its texts; one process asks before the others, which find the answers."""
    spec, splits = identified.spec, identified.splits
    with identified.args.main_process_first(desc="asking the teacher"):
        lessons = ask_teacher(spec, splits)
    asked = {part: len(logits) for part, logits in lessons.items()}
    taught = {"name": spec.teacher.name, "commit": spec.teacher.commit, "asked": asked}
    if learned_from_validation(spec.teacher, splits.test_hash):
        taught["learned_from_validation"] = True
        logger.warning(
            "--teacher %s has learned from validation (--refit), so validation flatters what it teaches: take a "
            "teacher that was fitted once",
            spec.teacher.name,
        )
    return replace(identified, splits=replace(splits, lessons=lessons, notes=splits.notes | {"teacher": taught}))


def data_flags(spec: RunSpec) -> DataArguments:
    """The flags of the data; a model that is only scored reads what they leave open as in its training.

    `spec` stays as it was given, for it identifies the run.
    """
    reading = None if spec.training["do_train"] else checkpoint_reading(spec.model)
    return reading.fill(spec.data) if reading else spec.data


def load_data(spec: RunSpec) -> Splits:
    """The splits of the run; columns beside the text are read as the checkpoint of --model was trained with them."""
    flags = data_flags(spec)
    say_unredacted(spec, flags)
    known = checkpoint_columns(spec.model) if flags.extra_column_names and not flags.columns_as_text else None
    return load_splits(flags, known)


def say_unredacted(spec: RunSpec, flags: DataArguments) -> None:
    """Say so if a model that has read no personal data is given some now."""
    began = None if spec.model.is_new or flags.redact else checkpoint_reading(spec.model)
    if began and began.redact:
        logger.warning(
            "--model %s was trained with --redact, and this run is without: what it stores may hold personal data",
            spec.model.name,
        )


def execute_run(identified: IdentifiedRun) -> Report:
    """Make a run that is not finished. The output folder is changed only after the input was checked."""
    spec, args, folder = identified.spec, identified.args, identified.folder
    # Before training, because the license is looked up on the Hub, and the network can fail in hours of training.
    report = report_before_training(identified)
    begin = prepare_run(identified, report, checkpoint_to_resume(identified))
    claimed = folder_lock(folder) if identified.writes else nullcontext()
    undone = restored_if_refused(folder) if identified.writes and spec.run.force_resume else nullcontext()
    with unwritable_explained(folder), lost_processes_explained(), claimed, undone:
        with args.main_process_first(local=False, desc="claiming the output folder"):
            checkpoint = claim_folder(identified)
        while True:
            try:
                return begin(checkpoint)
            except BatchTooLargeError as error:
                if not spec.training["auto_find_batch_size"]:
                    raise
                halve_batches(args, error)
            # Outside of `except`, whose traceback refers to the old model: its memory must be free for the new one.
            del begin
            clear_device_cache(garbage_collection=True)
            checkpoint = newest_whole_checkpoint(folder, spec.run.checkpoint_verify)
            begin = prepare_run(identified, report, checkpoint_to_resume(identified))


def prepare_run(
    identified: IdentifiedRun, report: Report, resumed: ModelRef | None
) -> Callable[[Path | None], Report]:
    """Build the trainer or the baseline. Returns the function that trains, scores and completes `report`.

    `resumed` is the checkpoint whose tokenizer is used. The function takes the checkpoint to resume from, or None.
    Raises InputError for input that cannot be used, before anything is trained or written.
    """
    spec, splits = identified.spec, identified.splits
    if spec.model.kind is Kind.BASELINE:
        baseline = prepare_baseline(spec, splits, identified.args.world_size)
        return partial(fit_and_test, baseline, identified, report)
    if spec.run.objective == "words":
        return prepare_language_model(identified, report, resumed)
    trainer = build_trainer(spec, identified.args, splits, resumed)
    say_unknown_tokens(trainer, spec)
    if spec.run.dp_epsilon is None:
        say_odd_choice(trainer.args, splits.task)
    require_room(trainer)
    return partial(train_and_test, trainer, identified, report)


def train_and_test(
    first: ClassificationTrainer, identified: IdentifiedRun, report: Report, checkpoint: Path | None
) -> Report:
    """Train a model, score it, save it with its card, and write the report last."""
    spec, splits, args = identified.spec, identified.splits, first.args
    trainer, scored, of_first = first, {}, {}
    saves = args.do_train or spec.tuning.merge_adapter
    if args.do_train:
        train(first, checkpoint)
    # A second fit makes a tokenizer that has read validation.
    measures = identified.writes and args.do_train
    usual = UsualTexts.of(splits.validation.texts, first.processing_class) if measures else None
    if spec.run.refit:
        trainer, scored, of_first = train_again(first, identified)
    temperatures = None
    if args.do_train:
        taken = take_from_validation(trainer, identified, scored)
        identified, scored, temperatures = taken.identified, taken.scored, taken.temperatures
        fold_output(trainer.model)
    if saves:
        save_model(trainer, identified.folder, spec.tuning.merge_adapter)
    with refusals_explained(lambda: args.do_train):
        scored |= score_model(
            trainer, splits, [part for part in parts_to_score(args) if part not in scored], spec.data.cache
        )
    cost = training_cost(trainer) | of_first | environment(args.device)
    cost |= {"calibration": calibration_entry(identified.splits.task, scored, temperatures)}
    cost |= {"privacy": trainer.guarantee() or report.privacy}
    with station("report"):
        report = completed_report(report, identified, cost, scored)
        if identified.writes:
            if saves:
                write_card(identified.folder, report)
            if usual:
                usual.save(identified.folder)
            report.save(identified.folder)
            delete_checkpoints(identified.folder / REFIT)
        first.keep_best_alone()
    trainer.end()
    return report


def train_again(
    first: ClassificationTrainer, identified: IdentifiedRun
) -> tuple[ClassificationTrainer, Scored, dict[str, Any]]:
    """The trainer of the second fit, the scores of validation by the first, and what the report keeps of the first."""
    spec, splits = identified.spec, identified.splits
    scored = score_model(
        first, splits, [part for part in parts_to_score(first.args) if part == "validation"], spec.data.cache
    )
    cost = training_cost(first)
    of_first = {name: cost[name] for name in ("steps", "epochs", "best_step", "validation_unknown_tokens")}
    second = refit(first, spec, splits, identified.identity)
    rows = {"rows": len(splits.train) + len(splits.validation), "steps": second.state.global_step}
    return second, scored, of_first | {"refit": rows}


def fit_and_test(baseline: Baseline, identified: IdentifiedRun, report: Report, checkpoint: None) -> Report:
    """Fit a baseline, score it, save it, and write the report last. `checkpoint` is None: a fit has no checkpoints."""
    with threadpool_limits(torch.get_num_threads()):
        spec = identified.spec
        splits, weighted = identified.splits, bool(spec.run.class_weights)
        tempers = spec.run.calibrate == "temperature" and splits.task.calibrates
        fitted = fit_baseline(baseline, splits, spec.metric, weighted, tempers)
        scored = {"validation": score_baseline(fitted, splits.validation)}
        if spec.run.refit:
            fitted = refit_baseline(fitted, splits, weighted)
        fitted.save(identified.folder)
        splits.reading.save(identified.folder)
        if identified.args.do_predict:
            scored["test"] = score_baseline(fitted, splits.test)
    identified = identified.with_task(fitted.task)
    cost = {"model_type": report.model} | fitted.training_cost() | environment()
    cost |= {"calibration": calibration_entry(fitted.task, scored, fitted.temperatures)}
    report = completed_report(report, identified, cost, scored)
    report.save(identified.folder)
    return report


def report_before_training(identified: IdentifiedRun) -> Report:
    """The report as far as it is known before training: model, data, command, fingerprint."""
    spec, splits = identified.spec, identified.splits
    origin = None if (spec.embed_with or spec.model).is_new else (spec.embed_with or spec.model)
    return Report(
        model=spec.model.name,
        model_revision=spec.model.commit or spec.model.revision,
        tuning=spec.how,
        embed_with=spec.embed_with.name if spec.embed_with else None,
        embed_with_revision=spec.embed_with.commit if spec.embed_with else None,
        base_model=origin.root.name if origin else None,
        license=spec.run.license or (license_of(origin) if origin else None),
        began_with=language_origin(spec.model, splits.test_hash),
        privacy=None if spec.training["do_train"] else privacy_of(spec.model),
        dataset=splits.name,
        dataset_id=splits.notes["hub_id"],
        seed=identified.args.seed,
        recipe=spec.recipe,
        command=spec.command,
        flags=flags_of_method(spec, splits.task),
        side_by_side=spec.run.side_by_side,
        bf16_chosen=identified.bf16_chosen,
        task=splits.task.name,
        labels=list(splits.task.labels),
        duplicates=splits.notes["duplicates"],
        data=splits.notes,
        fingerprint=fingerprint_of(identified.identity),
        data_hash=identified.identity["data"],
        test_hash=splits.test_hash,
        no_texts=spec.data.no_texts or None,
        folder=identified.folder,
    )


@station("report")
def completed_report(report: Report, identified: IdentifiedRun, cost: dict[str, Any], scored: Scored) -> Report:
    """`report` with the cost of training and the scores added; also writes the predictions."""
    if identified.writes:
        write_predictions(identified.folder, scored, identified.splits.task, identified.splits.languages)
    task = identified.splits.task
    conformal = fitted_scores(task, scored)
    if conformal and identified.writes and identified.args.do_train:
        conformal.save(identified.folder)
    scores = scores_of_parts(scored, task, identified.splits.languages)
    scores |= {"abstention": abstention_entry(task, conformal, scored)}
    report = replace(report, **cost, **scores, task_settings=task.settings or None)
    return report.with_totals(identified.data_seconds, identified.memory_at_start)


def show_progress(shown: bool) -> None:
    """Show or hide the progress bars of data and training; those of transformers for files are always hidden."""
    transformers.utils.logging.disable_progress_bar()
    if not shown:
        datasets.disable_progress_bars()
        huggingface_hub.utils.disable_progress_bars()

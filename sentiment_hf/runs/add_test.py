"""Scores test with the saved model of a finished run that did not score it: the same command, with --do_predict."""

import logging
from dataclasses import replace

import numpy as np

from sentiment_hf.baselines.columns import predict_rows
from sentiment_hf.baselines.outputs import logits_of
from sentiment_hf.baselines.storage import load_baseline
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import CONFORMAL, IDENTITY
from sentiment_hf.runs.abstention import abstention_entry
from sentiment_hf.runs.calibrate import calibration_of_parts
from sentiment_hf.runs.card import write_card
from sentiment_hf.runs.identity import IdentifiedRun, fingerprint_of, flags_of_method, in_label_order
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.score import Scored, score_model, scores_of_parts, write_predictions
from sentiment_hf.settings.model_ref import Kind, ModelRef
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.tasks.conformal import Conformal
from sentiment_hf.tasks.task import Task
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.train import build_trainer, refusals_explained

logger = logging.getLogger(__name__)


def add_test(identified: IdentifiedRun, report: Report) -> Report:
    """`report` of a finished run with the scores of test; writes predictions, card and, last, report.json.

    Raises InputError or TrainingError: the saved model cannot be loaded or used.
    """
    folder = identified.folder
    logger.warning("%s holds this run already, trained; test is scored now", folder)
    ref = ModelRef.in_folder(folder, flag="--model", trust_remote_code=identified.spec.model.trust_remote_code)
    task, scored = (scored_baseline if ref.kind is Kind.BASELINE else scored_model)(ref, identified)
    if not identified.writes:
        return report
    splits = identified.splits
    write_predictions(folder, scored, task, splits.languages)
    conformal = Conformal.load(folder / CONFORMAL) if (folder / CONFORMAL).is_file() else None
    of_test = {"abstention": abstention_entry(task, conformal, scored)}
    if report.calibration:
        of_test["calibration"] = report.calibration | calibration_of_parts(
            task, scored, np.array(report.calibration["temperatures"])
        )
    report = replace(
        report,
        command=identified.spec.command,
        flags=flags_of_method(identified.spec, task),
        fingerprint=fingerprint_of(identified.identity),
        **scores_of_parts(scored, task, splits.languages),
        **of_test,
    )
    write_json(folder / IDENTITY, identified.identity)
    if ref.kind is not Kind.BASELINE:
        write_card(folder, report)
    report.save(folder)
    return report


def scored_baseline(ref: ModelRef, identified: IdentifiedRun) -> tuple[Task, Scored]:
    """The task of a saved baseline, and its logits of test."""
    estimator, task = load_baseline(ref)
    test = identified.splits.test
    labels = identified.splits.task.labels_in(task.labels, test.labels)
    return task, {"test": (logits_of(task, predict_rows(estimator, test.inputs)), labels)}


def scored_model(ref: ModelRef, identified: IdentifiedRun) -> tuple[Task, Scored]:
    """The task of a saved model, and its logits of test."""
    words = ["--model", str(ref.folder), "--output_dir", str(ref.folder), "--do_predict"]
    spec = replace(parse_run(words), model=ref, data=identified.spec.data)
    # How batches are computed is as the run was told.
    same = ("per_device_eval_batch_size", "use_cpu", "bf16", "fp16", "bf16_full_eval", "fp16_full_eval", "tf32")
    same += ("dataloader_num_workers", "disable_tqdm", "report_to", "seed")
    spec = replace(spec, training=spec.training | {name: identified.spec.training[name] for name in same})
    splits = in_label_order(replace(identified.splits, unlabelled=None, lessons={}), ref, trains=False)
    task = splits.task.as_saved(ref.task_settings or {})
    trainer = build_trainer(spec, training_arguments(spec), replace(splits, task=task))
    with refusals_explained():
        return task, score_model(trainer, splits, ["test"], spec.data.cache)

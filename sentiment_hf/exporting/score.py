"""Scores a graph on the validation and test rows of its run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.common.layout import REPORT
from sentiment_hf.data.splits import Splits
from sentiment_hf.exporting.source import Source
from sentiment_hf.inference.scorer import load_scorer
from sentiment_hf.inference.speed import is_measured_here, measure_speed
from sentiment_hf.runs.card import write_card
from sentiment_hf.runs.data_again import data_of_run
from sentiment_hf.runs.report import Report
from sentiment_hf.runs.score import scores_of_parts, write_predictions
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.tasks.terms import SMALLEST

logger = logging.getLogger(__name__)

BATCH = 64


@dataclass(frozen=True)
class Cost:
    """{part: the ranking score of the run minus that of its graph}, with the sign of a loss."""

    by_part: dict[str, float]


def data_of(ref: ModelRef, source: Source) -> tuple[Report | None, Splits | None]:
    """The report of a run, and its data as its command names them; None for a model that is no run of ours.

    The data of an ensemble are those that the command of its first member names.

    If the data are not there any more, or are others, there are no splits, which is said.
    """
    if not ref.is_local or not (ref.folder / REPORT).is_file():
        logger.warning("%s has no %s, so the graph is compared with the model, and not scored", ref.name, REPORT)
        return None, None
    report = Report.load(ref.folder)
    try:
        return report, data_of_run(ref, Report.load(source.runs[0]), source.columns)
    except InputError as error:
        logger.warning("the graph is not scored, for the data of %s cannot be read again: %s", ref.name, error)
        return report, None


def score_graph(home: Path, report: Report, splits: Splits) -> tuple[Report, Cost]:
    """The report with the scores of the graph in `home`, which is written there with predictions, speed and card.

    Validation is left out if it has learned the weights of an ensemble: the ensemble itself is scored there by those
    of other folds (`cross_fitted_weights`), and a graph has the weights of all of them.
    """
    if report.members and report.recipe == "weights":
        report = replace(report, validation=None)
    scorer = load_scorer(ModelRef.in_folder(home), "cpu")
    task, parts = scorer.task, [part for part in ("validation", "test") if getattr(report, part)]
    scored = {}
    for part in parts:
        rows = getattr(splits, part)
        scored[part] = task.logits(scorer.classify(rows.inputs, BATCH), SMALLEST), rows.labels
    write_predictions(home, scored, task, splits.languages)
    before = {part: getattr(report, part)[task.ranking.key] for part in parts}
    report = replace(report, **scores_of_parts(scored, task, splits.languages), folder=home)
    after = {part: getattr(report, part)[task.ranking.key] for part in parts}
    sign = 1 if task.ranking.more_is_better else -1
    report.save(home)
    write_card(home, report)
    return report, Cost({part: sign * (before[part] - after[part]) for part in parts})


def measure_missing(folders: Sequence[Path], splits: Splits, trust_remote_code: bool) -> None:
    """Measure the speed of the folders that were not measured on this machine; a failure is said."""
    for folder in folders:
        if is_measured_here(folder):
            continue
        try:
            measure_speed(folder, splits.test, trust_remote_code)
        except TrainingError as error:
            logger.warning("%s", error)

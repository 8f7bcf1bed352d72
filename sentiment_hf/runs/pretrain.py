"""Makes a language model in place of a classifier (--objective words): trained, scored by perplexity, saved."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from sentiment_hf.common.profile import station
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.identity import IdentifiedRun
from sentiment_hf.runs.language_card import write_language_card
from sentiment_hf.runs.report import WORDS, Report
from sentiment_hf.runs.score import training_cost
from sentiment_hf.settings.model_ref import ModelRef
from sentiment_hf.training.language import LanguageTrainer, build_language_trainer
from sentiment_hf.training.train import require_room, save_model, train


def prepare_language_model(
    identified: IdentifiedRun, report: Report, resumed: ModelRef | None
) -> Callable[[Path | None], Report]:
    """Build the trainer. Returns the function that trains and completes `report`; raises as `build_trainer`."""
    trainer = build_language_trainer(identified.spec, identified.args, identified.splits, resumed)
    require_room(trainer)
    return partial(train_language_model, trainer, identified, replace(report, task=WORDS, labels=[]))


def train_language_model(
    trainer: LanguageTrainer, identified: IdentifiedRun, report: Report, checkpoint: Path | None
) -> Report:
    """Train, save the model that is best on validation with its card, and write the report last."""
    train(trainer, checkpoint)
    save_model(trainer, identified.folder, merge=False)
    validation = trainer.scores() if identified.args.do_eval else None
    with station("report"):
        cost = training_cost(trainer) | environment(trainer.args.device)
        report = replace(report, **cost, validation=validation).with_totals(
            identified.data_seconds, identified.memory_at_start
        )
        if identified.writes:
            write_language_card(identified.folder, report)
            report.save(identified.folder)
        trainer.keep_best_alone()
    trainer.end()
    return report

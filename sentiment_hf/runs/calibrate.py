"""What a trained model takes from validation: temperatures of its logits, and what its task chooses."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sentiment_hf.models.checkpoint import describe_task
from sentiment_hf.models.temperature import divide_logits
from sentiment_hf.runs.abstention import predicted_by
from sentiment_hf.runs.identity import IdentifiedRun
from sentiment_hf.runs.score import METRIC_PREFIXES, Scored, score_model
from sentiment_hf.tasks.task import Task
from sentiment_hf.tasks.terms import calibration_terms
from sentiment_hf.training.trainer import ClassificationTrainer, only_logits

logger = logging.getLogger(__name__)

# Texts by which a model is asked whether its logits are divided.
TEXTS = 8


@dataclass(frozen=True)
class FromValidation:
    """A run with what it took from validation.

    scored: validation, if it is to be scored, with the logits that the model gives now.
    temperatures: (outputs of its last layer,) numbers by which these were divided; None if they were not.
    """

    identified: IdentifiedRun
    scored: Scored
    temperatures: np.ndarray | None = None


def take_from_validation(trainer: ClassificationTrainer, identified: IdentifiedRun, scored: Scored) -> FromValidation:
    """Calibrate the model (--calibrate), then let the task choose. `scored` has validation if it was scored before.

    Of a second fit (--refit), whose rows are not new to it, validation as scored by the first decides.
    """
    spec, splits = identified.spec, identified.splits
    task, calibrates = splits.task, spec.run.calibrate == "temperature" and splits.task.calibrates
    trainer.model.config.calibration_temperature = None
    if not calibrates and not task.tunes:
        return FromValidation(identified, scored)
    logits, labels = (scored or score_model(trainer, splits, ["validation"], spec.data.cache))["validation"]
    temperatures = calibrate(trainer, task, logits, labels) if calibrates else None
    if temperatures is not None:
        logits = task.tempered(logits, temperatures)
        if not scored:
            correct_loss(trainer, task.evaluation_loss(logits, labels))
    if task.tunes:
        trainer.task = task = task.tuned(logits, labels)
        describe_task(trainer.model.config, task)
        identified = identified.with_task(task)
    return FromValidation(
        identified, {"validation": (logits, labels)} if identified.args.do_eval else {}, temperatures
    )


def calibrate(trainer: ClassificationTrainer, task: Task, logits: np.ndarray, labels: np.ndarray) -> np.ndarray | None:
    """Divide the logits of the model by the temperatures of validation; None, and said, if that cannot be done."""
    temperatures = task.temperatures(logits, labels)
    # In half precision the outputs of a layer have eight bits, or ten.
    tolerance = 2e-2 if trainer.args.mixed_precision in ("bf16", "fp16") else 1e-3

    def tempered(some: Tensor) -> Tensor:
        return torch.from_numpy(task.tempered(some.cpu().numpy(), temperatures))

    if not divide_logits(trainer.model, temperatures, lambda: logits_of_some(trainer), tempered, tolerance):
        logger.warning(
            "--calibrate: the logits of %s are not those of one linear layer, which could be divided by the "
            "temperature %s; its probabilities stay as they are",
            trainer.model.config.model_type,
            np.round(temperatures, 3).tolist(),
        )
        return None
    trainer.model.config.calibration_temperature = temperatures.tolist()
    return temperatures


def logits_of_some(trainer: ClassificationTrainer) -> Tensor:
    """(rows, outputs) logits of the first texts of validation."""
    texts = trainer.validation.select(range(min(TEXTS, len(trainer.validation))))
    inputs = trainer._prepare_inputs(trainer.data_collator([texts]))
    trainer.model.eval()
    with torch.no_grad():
        logits = trainer.prediction_step(trainer.model, inputs, prediction_loss_only=False)[1]
    return only_logits(logits, inputs.get("labels")).float()


def correct_loss(trainer: ClassificationTrainer, loss: float) -> None:
    """Let the file of validation of `Trainer` have the loss of the calibrated model."""
    prefix = METRIC_PREFIXES["validation"]
    metrics = {name: value for name, value in trainer.all_metrics.items() if name.startswith(f"{prefix}_")}
    trainer.save_metrics(prefix, metrics | {f"{prefix}_loss": loss})


def calibration_entry(task: Task, scored: Scored, temperatures: np.ndarray | None) -> dict[str, Any] | None:
    """What the report has: temperatures, and of each part loss and calibration error before and after; or None."""
    if temperatures is None:
        return None
    return {"temperatures": temperatures.tolist()} | calibration_of_parts(task, scored, temperatures)


def calibration_of_parts(task: Task, scored: Scored, temperatures: np.ndarray) -> dict[str, Any]:
    """{part: loss and calibration error before and after}, of the logits of a model that divides them."""
    return {
        part: {
            "before": calibration_scores(task, task.tempered(logits, 1 / temperatures), labels),
            "after": calibration_scores(task, logits, labels),
        }
        for part, (logits, labels) in scored.items()
    }


def calibration_scores(task: Task, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The loss in nats, and the calibration error (`tasks/terms.py`) as a fraction."""
    sure = task.reliability(predicted_by(task, logits, labels))
    return {
        "loss": task.evaluation_loss(logits, labels),
        "calibration_error": float(calibration_terms(*sure).mean()),
    }

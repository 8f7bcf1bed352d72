"""Guesses what a run would cost, and prints it as JSON: python -m sentiment_hf.choosing.guess FLAGS OF RUN."""

import json
import sys
import time
from dataclasses import asdict

import numpy as np
import torch

from sentiment_hf.choosing.foresee import Foreseen
from sentiment_hf.common.errors import InputError, TrainingError
from sentiment_hf.runs.rehearsal import guessed_seconds, rehearsal
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.trainer import ClassificationTrainer

# Texts of validation from which the milliseconds for one are guessed.
SINGLE = 20


def guess() -> None:
    """Print a `Foreseen`; raises as `rehearse`."""
    with rehearsal(parse_run(sys.argv[1:])) as (_, trainer, _):
        size = sum(tensor.numel() * tensor.element_size() for tensor in trainer.model.state_dict().values())
        single = milliseconds(trainer) if isinstance(trainer, ClassificationTrainer) else 0.0
        found = Foreseen(guessed_seconds(trainer).total, single, size)
    print(json.dumps(asdict(found)))


@torch.no_grad()
def milliseconds(trainer: ClassificationTrainer) -> float:
    """The median time that the model takes for a single text, its tokens given."""
    rows, seconds = trainer.validation, []
    trainer.model.eval()
    for row in np.linspace(0, len(rows) - 1, min(SINGLE, len(rows))).astype(int):
        inputs = trainer._prepare_inputs(trainer.data_collator([rows.select(np.array([row]))]))
        start = time.perf_counter()
        trainer.prediction_step(trainer.model, inputs, prediction_loss_only=False)
        seconds.append(time.perf_counter() - start)
    return 1000 * float(np.median(seconds))


if __name__ == "__main__":
    try:
        guess()
    except (InputError, TrainingError) as error:
        sys.exit(str(error))

"""Record the rows of an optimizer step, and stop before a step whose gradient is not finite."""

from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import torch
from accelerate.utils import gather_object, reduce
from torch import Tensor
from transformers import Trainer

from sentiment_hf.common.errors import TrainingError
from sentiment_hf.common.files import write_json
from sentiment_hf.common.layout import BROKEN_BATCH

# The first tokens of each text that are written to broken_batch.json.
SHOWN_TOKENS = 30


class OptimizerStep:
    """Row numbers and losses of the batches of one step on this process.

    They stay tensors until they are needed, because converting them to numbers would wait for a GPU.
    """

    def __init__(self):
        self.rows: list[Tensor] = []
        self.losses: list[Tensor] = []

    def add(self, rows: Tensor, loss: Tensor) -> None:
        """Add a batch: `rows` (batch,) are row numbers of the train split, `loss` is its part of the step's loss."""
        self.rows.append(rows)
        self.losses.append(loss)


def rows_with_texts(trainer: Trainer, rows: Sequence[int]) -> list[dict]:
    """The numbers of the rows, and how their texts begin."""
    begins = [text[:SHOWN_TOKENS].tolist() for text in trainer.train_dataset.first_windows(rows).texts()]
    texts = trainer.processing_class.batch_decode(begins, skip_special_tokens=True)
    return [{"row": row, "begins": text} for row, text in zip(rows, texts, strict=True)]


def refuse_step(trainer: Trainer, step: OptimizerStep, norm: float) -> NoReturn:
    """Write the rows of the step to broken_batch.json and raise TrainingError. Every process must call it.

    With --no_texts the rows are named by their numbers alone.
    """
    rows = gather_object(torch.cat(step.rows).tolist())
    loss = float(reduce(torch.stack(step.losses).sum(), "mean"))
    number, file = trainer.state.global_step + 1, Path(trainer.args.output_dir, BROKEN_BATCH)
    if trainer.is_world_process_zero():
        found = [{"row": row} for row in rows] if trainer.no_texts else rows_with_texts(trainer, rows)
        write_json(file, {"step": number, "loss": repr(loss), "grad_norm": repr(norm), "rows": found})
    raise TrainingError(
        f"at step {number} the loss is {loss} and the norm of its gradient {norm}: the step was not made, and its "
        f"rows are in {file}; lower --learning_rate or --max_grad_norm, or look at these rows"
    )

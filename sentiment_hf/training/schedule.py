"""How many steps the epochs of a recipe become, which fit 22 500 rows, on the rows that are there."""

import logging
import math

from transformers import TrainingArguments

from sentiment_hf.settings.arguments import RunArguments

logger = logging.getLogger(__name__)

# A run outside of this range of epochs is said.
USUAL_EPOCHS = (1, 100)
# Training of as many rows takes about the time of the checkpoint that comes with a validation.
CHECKPOINT_ROWS = 500


def steps_in_epoch(args: TrainingArguments, batches: int) -> int:
    """Optimizer steps of an epoch, as `Trainer` makes them: the last one may have fewer batches."""
    return max(1, math.ceil(batches / args.gradient_accumulation_steps))


def epochs_per_validation(epochs: float, train_rows: int, validation_rows: int) -> int:
    """Whole epochs between two validations with --eval_strategy epoch, in a run of so many epochs.

    About a tenth as many rows are scored as trained, and a run has ten validations or more.
    """
    tenth = round(10 * (validation_rows + CHECKPOINT_ROWS) / train_rows)
    return max(1, min(tenth, int(epochs / 10)))


def bound_steps(args: TrainingArguments, run_args: RunArguments, rows: int) -> float:
    """Set `args.max_steps` if the epochs make fewer steps than `least_steps` or more than `most_steps`.

    Returns the number of epochs.

    rows: of train. Without these two, and with --max_steps, nothing is set. Fewer than one epoch and more than 100 are
    said.
    """
    batches = math.ceil(rows / (args.train_batch_size * args.world_size))
    per_epoch = steps_in_epoch(args, batches)
    steps = math.ceil(args.num_train_epochs * per_epoch) if args.max_steps <= 0 else args.max_steps
    if args.max_steps <= 0:
        least, most = run_args.least_steps or 0, run_args.most_steps or math.inf
        bounded = int(min(max(steps, least), most))
        if bounded != steps:
            args.max_steps = steps = bounded
    least, most = USUAL_EPOCHS
    epochs = steps / per_epoch
    if not least <= epochs <= most:
        shown = f"{epochs:,.0f}" if epochs > most else f"{epochs:.2g}"
        logger.warning(
            "%d steps are %s epochs of the %d rows of train; --num_train_epochs and --max_steps change that",
            *(steps, shown, rows),
        )
    return epochs

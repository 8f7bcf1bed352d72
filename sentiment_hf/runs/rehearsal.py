"""`--dry_run` of run and pretrain: what one would read and do, and cost by a few real steps; nothing is kept."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
from transformers import TrainerCallback, TrainingArguments
from transformers.trainer_utils import IntervalStrategy

from sentiment_hf.common.errors import InputError
from sentiment_hf.data.review_words import review_in_words
from sentiment_hf.data.splits import Splits
from sentiment_hf.runs.environment import environment
from sentiment_hf.runs.identity import IdentifiedRun, identify_run, require_checkpoints
from sentiment_hf.runs.report import privacy_in_words
from sentiment_hf.runs.run import load_data, show_progress
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.model_ref import Kind
from sentiment_hf.text.unknown import unknown_in
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.callbacks import EarlyStoppingCallback
from sentiment_hf.training.clock import Clock
from sentiment_hf.training.device import refuse_data_parallel
from sentiment_hf.training.language import build_language_trainer
from sentiment_hf.training.processes import use_all_cores
from sentiment_hf.training.safe_trainer import SafeTrainer
from sentiment_hf.training.schedule import epochs_per_validation, steps_in_epoch
from sentiment_hf.training.steps import require_steps
from sentiment_hf.training.train import build_trainer, refusals_explained, train

# Steps of training from which its speed is guessed, the first of them left out.
STEPS, WARM_UP = 10, 2
# Texts of validation from which its time is guessed, of all lengths.
TEXTS = 64

Lines = list[tuple[str, str]]


def rehearse(spec: RunSpec, ready_teacher: Callable[[RunSpec, Splits], object] | None = None) -> str:
    """The table that --dry_run prints. The output folder is not touched.

    `ready_teacher` is needed with --teacher only: it raises InputError if the teacher does not suit the data.

    Raises:
        InputError: as `run`; or there are several processes.
        TrainingError: a step failed.
    """
    with rehearsal(spec, ready_teacher) as (identified, trainer, output):
        lines = lines_of_data(identified.splits)
        if trainer is None:
            lines.append(("model", f"{spec.model.name}, fitted in seconds to minutes; not tried"))
        else:
            lines += lines_of_model(trainer, spec.run.early_stopping_patience)
            if spec.run.dp_epsilon is not None:
                lines.append(("privacy", privacy_in_words(trainer.guarantee())))
            if identified.bf16_chosen:
                lines.append(("bf16", identified.bf16_chosen))
            lines += estimate(trainer)
        return as_table([*lines, ("output", f"{output}; nothing was written")])


@contextmanager
def rehearsal(
    spec: RunSpec, ready_teacher: Callable[[RunSpec, Splits], object] | None = None
) -> Iterator[tuple[IdentifiedRun, SafeTrainer | None, str]]:
    """The run, the trainer that would make it, which writes to a folder that is then deleted, and its output folder.

    A baseline has no trainer. Arguments and errors are those of `rehearse`.
    """
    show_progress(False)
    args = training_arguments(spec)
    if args.world_size > 1:
        raise InputError("--dry_run is for one process: start it by `python scripts/run.py`")
    use_all_cores(args, spec.run.num_cpu_threads)
    require_checkpoints(spec)
    identified = identify_run(spec, args, load_data(spec))
    spec, splits, args = identified.spec, identified.splits, identified.args
    if ready_teacher:
        ready_teacher(spec, splits)
        # What a teacher would say does not change what a step costs.
        lessons = np.zeros((len(splits.unlabelled or ()), len(splits.task.labels)), np.float32)
        splits = replace(splits, lessons={"unlabelled": lessons})
    output = args.output_dir
    if spec.model.kind is Kind.BASELINE:
        yield identified, None, output
        return
    refuse_data_parallel(args)
    with tempfile.TemporaryDirectory() as home:
        args.output_dir, args.disable_tqdm = home, True
        build = build_language_trainer if spec.run.objective == "words" else build_trainer
        trainer = build(spec, args, splits)
        with refusals_explained():
            require_steps(trainer)
        yield identified, trainer, output


def lines_of_data(splits: Splits) -> Lines:
    """Parts, their classes and how they were made, and texts that stand in two parts."""
    lines = [("dataset", splits.name)]
    for part in ("train", "validation", "test"):
        rows = getattr(splits, part)
        most = list(splits.task.counted(rows.labels).items())
        shown = ", ".join(f"{label} {count:,}" for label, count in most[:6]) + (", ..." if len(most) > 6 else "")
        how = splits.notes.get(part, "given")
        lines.append((part, f"{len(rows):,} rows ({shown})" + (f"; {how}" if how != "given" else "")))
    twice = {name.replace("_", " "): count for name, count in splits.notes["duplicates"].items() if name != "removed"}
    found = ", ".join(f"{name} {count:,}" for name, count in twice.items() if count)
    lines.append(("duplicates", found or "none"))
    if reviewed := splits.notes.get("reviewed"):
        lines.append(("reviewed", review_in_words(reviewed)))
    if splits.unlabelled:
        lines.append(("unlabelled", f"{len(splits.unlabelled):,} texts; a teacher was not asked"))
    return lines


def lines_of_model(trainer: SafeTrainer, patience: int | None) -> Lines:
    """Lengths, unknown tokens, weights and steps."""
    tokenizer, args = trainer.processing_class, trainer.args
    lengths = trainer.train_dataset.lengths
    limit, (middle, most) = tokenizer.model_max_length, np.percentile(lengths, (50, 95))
    unknown = unknown_in(trainer.eval_dataset, tokenizer)
    steps, epochs = planned_steps(trainer)
    return [
        (
            "texts",
            f"median {middle:.0f} tokens, 95 % up to {most:.0f}; {trainer.train_dataset.share_longer_than(limit):.1%} "
            f"{'have several windows' if trainer.train_dataset.text_of is not None else 'reach'} "
            f"the --max_seq_length of {limit}",
        ),
        ("unknown", "no tokens" if unknown is None else f"{unknown:.1%} of the tokens of validation"),
        (
            "model",
            f"{trainer.model.config.model_type}, {trainer.num_parameters:,} parameters, of them trained "
            f"{trainer.num_trained:,}; {len(tokenizer):,} tokens",
        ),
        (
            "training",
            f"{steps:,} steps of {args.train_batch_size * args.gradient_accumulation_steps} texts, "
            f"{epochs:.1f} epochs" + (", or fewer if validation stops it" if patience else ""),
        ),
    ]


def planned_steps(trainer: SafeTrainer) -> tuple[int, float]:
    """(optimizer steps, epochs) of the whole training."""
    args = trainer.args
    in_epoch = steps_in_epoch(args, len(trainer.get_train_dataloader()))
    steps = args.max_steps if args.max_steps > 0 else math.ceil(args.num_train_epochs * in_epoch)
    return steps, steps / in_epoch


@dataclass(frozen=True)
class Seconds:
    """What a run would take: `training`, and `checking` validation so many `times`; guessed from so many `steps`."""

    training: float
    checking: float
    times: int
    steps: int

    @property
    def total(self) -> float:
        """Both together."""
        return self.training + self.checking


def guessed_seconds(trainer: SafeTrainer) -> Seconds:
    """The seconds of the whole run, by some steps and some texts of validation. Call it last: it trains."""
    steps, epochs = planned_steps(trainer)
    every = epochs_per_validation(epochs, len(trainer.train_dataset), len(trainer.eval_dataset))
    times = planned_validations(trainer.args, steps, epochs, every)
    tokens = epochs * int(trainer.train_dataset.lengths.sum())
    training = tokens * seconds_per_token(trainer, min(STEPS, steps))
    return Seconds(training, times * seconds_of_validation(trainer), times, min(STEPS, steps))


def estimate(trainer: SafeTrainer) -> Lines:
    """Minutes and memory of the whole run. Call it last: it trains."""
    guessed = guessed_seconds(trainer)
    found = environment(trainer.args.device)
    where = f"{found['threads']} threads of {found['device']}, guessed from {guessed.steps} steps"
    shares = f"training {guessed.training / 60:.1f}, {guessed.times} validations {guessed.checking / 60:.1f}"
    return [
        ("time", f"about {guessed.total / 60:.1f} min ({shares}; {where})"),
        ("memory", f"about {found['peak_memory_bytes'] / 2**20:,.0f} MiB"),
    ]


def planned_validations(args: TrainingArguments, steps: int, epochs: float, every: int) -> int:
    """How often validation is scored if nothing stops training early; `every`: as `epochs_per_validation`."""
    if args.eval_strategy == "no":
        return 0
    if args.eval_strategy == "epoch":
        return math.ceil(epochs / every)
    every = args.eval_steps or args.logging_steps
    return math.ceil(steps / (every if every >= 1 else max(1, math.ceil(steps * every))))


def seconds_per_token(trainer: SafeTrainer, steps: int) -> float:
    """Seconds of training per token, from so many steps without those that warm up."""
    trainer.args.max_steps = steps
    trainer.args.eval_strategy = trainer.args.save_strategy = trainer.args.logging_strategy = IntervalStrategy.NO
    trainer.args.load_best_model_at_end = False
    trainer.remove_callback(EarlyStoppingCallback)
    trainer.add_callback(AfterWarmUp(trainer.clock, min(WARM_UP, steps - 1)))
    train(trainer, None)
    return trainer.clock.seconds / max(1, int(trainer.clock.tokens))


class AfterWarmUp(TrainerCallback):
    """Let the clock forget the first steps, which are slower than all others."""

    def __init__(self, clock: Clock, steps: int):
        self.clock, self.steps = clock, steps

    def on_step_end(self, args, state, control, **kwargs):
        """Set the clock to zero after the last of them."""
        if state.global_step == self.steps:
            self.clock.seconds, self.clock.tokens = 0.0, 0


def seconds_of_validation(trainer: SafeTrainer) -> float:
    """Seconds in which validation is scored once, from texts of all lengths."""
    rows = trainer.eval_dataset
    some = rows.select(np.arange(0, len(rows), max(1, len(rows) // TEXTS)))
    start = time.perf_counter()
    trainer.evaluate(some)
    return (time.perf_counter() - start) * rows.lengths.sum() / max(1, some.lengths.sum())


def as_table(lines: Lines) -> str:
    """The lines, aligned."""
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)

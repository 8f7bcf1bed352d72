"""Trainers of recipes, made to be trained for some seconds."""

import tempfile
import time

from transformers import TrainerCallback, TrainingArguments

from sentiment_hf.data.splits import Splits, load_splits
from sentiment_hf.settings.arguments import RunSpec
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.arguments import training_arguments
from sentiment_hf.training.processes import use_all_cores
from sentiment_hf.training.train import build_trainer
from sentiment_hf.training.trainer import ClassificationTrainer

# Training alone, without validation and checkpoints; nothing is left in the cache of the user.
STEPS_ALONE = (
    *("--eval_strategy", "no", "--save_strategy", "no", "--load_best_model_at_end", "false"),
    *("--no_cache", "true", "--disable_tqdm", "true"),
)


def prepare(*flags: str) -> tuple[RunSpec, TrainingArguments, Splits]:
    """A run by its flags, for steps alone, and its data; torch uses all cores."""
    spec = parse_run([*flags, *STEPS_ALONE, "--output_dir", tempfile.mkdtemp()])
    args = training_arguments(spec)
    use_all_cores(args, None)
    return spec, args, load_splits(spec.data)


class StopAfter(TrainerCallback):
    """Ends training after some seconds; they can be changed between two trainings."""

    def __init__(self, seconds: float):
        self.seconds, self.begin = seconds, 0.0

    def on_train_begin(self, *args, **kwargs):
        """Start to count."""
        self.begin = time.perf_counter()

    def on_step_end(self, args, state, control, **kwargs):
        """Stop when the seconds are over."""
        control.should_training_stop |= time.perf_counter() - self.begin > self.seconds


class TimedTrainer:
    """The trainer of a run. `tokens_per_second` trains from the first batch on, so that each call has the same texts.

    The first step is made here and not timed: it makes the optimizer and chooses kernels.
    """

    def __init__(self, seconds: float, *flags: str):
        self.trainer: ClassificationTrainer = build_trainer(*prepare(*flags))
        self.stop = StopAfter(0)
        self.trainer.add_callback(self.stop)
        self.trainer.train()
        self.stop.seconds = seconds

    def tokens_per_second(self) -> float:
        """Tokens/s of training steps, padding not counted."""
        before = self.trainer.clock.totals()
        self.trainer.train()
        after = self.trainer.clock.totals()
        return (after["tokens"] - before["tokens"]) / (after["seconds"] - before["seconds"])

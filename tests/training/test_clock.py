"""The seconds of training are those of fetching batches and making steps, in all sessions of a run together."""

from types import SimpleNamespace

import pytest
import transformers.trainer
from helpers import TINY, Stop, flags, run_until, write_data
from transformers import TrainerCallback

from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training import clock
from sentiment_hf.training.batches import FewLengthsCollator
from sentiment_hf.training.trainer import ClassificationTrainer


class Slow(TrainerCallback):
    """Time that passes only where it is let: 1000 s in each log, validation and checkpoint."""

    now = 0

    @classmethod
    def pass_time(cls, seconds: int) -> None:
        cls.now += seconds

    def on_log(self, *args, **kwargs):
        self.pass_time(1000)

    on_evaluate = on_save = on_log


@pytest.fixture
def argv(tmp_path, monkeypatch) -> list[str]:
    """A run of two epochs of six steps; a batch takes 1 s to fetch, and 10 s to train on."""

    def slower(method, seconds: int):
        def call(*args, **kwargs):
            Slow.pass_time(seconds)
            return method(*args, **kwargs)

        return call

    monkeypatch.setattr(transformers.trainer, "DEFAULT_CALLBACKS", [*transformers.trainer.DEFAULT_CALLBACKS, Slow])
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: Slow.now))
    monkeypatch.setattr(FewLengthsCollator, "__call__", slower(FewLengthsCollator.__call__, 1))
    monkeypatch.setattr(ClassificationTrainer, "training_step", slower(ClassificationTrainer.training_step, 10))
    return flags(write_data(tmp_path / "data", train=44), tmp_path / "run", "--logging_steps", 1, settings=TINY)


def test_logs_validation_and_checkpoints_take_no_time_of_training(argv):
    """A session counts from its first step, before which accelerate fetches two batches."""
    assert run(parse_run(argv)).train_seconds == 12 * 10 + 12 - 2


def test_an_interruption_takes_no_time_of_training(argv):
    """Stopped within each epoch. Which batches are fetched between the steps of a session moves the seconds only."""
    for step in (3, 11):
        run_until(Stop(step), argv)
    assert 12 * 10 <= run(parse_run(argv)).train_seconds < 12 * 10 + 10

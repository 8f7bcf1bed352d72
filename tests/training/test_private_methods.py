"""What `SafeTrainer` overrides of the private methods of `Trainer`: few, there upstream, and called."""

import functools
from collections import Counter

import pytest
import transformers
from helpers import Stop, flags, run_until, write_data
from transformers import Trainer

from sentiment_hf.runs.run import run
from sentiment_hf.settings.run_flags import parse_run
from sentiment_hf.training.safe_trainer import SafeTrainer

# How often each is called in the run below, and what a user meets where `Trainer` calls it no more.
PRIVATE = {
    "_get_grad_norm": (12, "a step whose gradient is not finite is made: the weights are lost, without an error"),
    "_get_train_sampler": (2, "texts are batched without regard to length: slower training, other weights by a seed"),
    "_load_best_model": (1, "a damaged best checkpoint is loaded and tested as if it were whole"),
    "_run_epoch": (3, "a run that is cut off while it is tested trains on when it is started again"),
    "_save_checkpoint": (3, "a full disk ends the run in a traceback and leaves half a checkpoint"),
}


@pytest.fixture(scope="module")
def calls(tmp_path_factory) -> Counter:
    """Calls by name, in a run of twelve steps in two epochs that was interrupted after step 4."""
    folder, counted = tmp_path_factory.mktemp("private"), Counter()

    def watched(name, method):
        @functools.wraps(method)
        def call(*args, **kwargs):
            counted[name] += 1
            return method(*args, **kwargs)

        return call

    argv = flags(write_data(folder / "data", train=44), folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        for name in PRIVATE:
            patch.setattr(SafeTrainer, name, watched(name, vars(SafeTrainer)[name]))
        run_until(Stop(4), argv)
        assert run(parse_run(argv)).steps == 12
    return counted


def test_these_and_no_other_private_methods_are_overridden():
    private = {name for name in vars(SafeTrainer) if name.startswith("_") and not name.startswith("__")}
    assert private == PRIVATE.keys()
    assert len(private) <= 7, "use a callback or a public method"


@pytest.mark.parametrize("name", PRIVATE)
def test_a_private_method_that_is_overridden_is_there_and_called(calls, name):
    least, lost = PRIVATE[name]
    version = transformers.__version__
    assert callable(getattr(Trainer, name, None)), f"transformers {version} has no Trainer.{name}: {lost}"
    assert calls[name] >= least, f"transformers {version} called Trainer.{name} {calls[name]} times: {lost}"

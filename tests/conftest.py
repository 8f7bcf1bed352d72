"""No test reaches the network, a hub of our own is all there is; small models and a tokenizer for all tests."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loopback_hub import LoopbackHub

# The libraries read these when they are imported, and the processes that tests start inherit them.
HUB = LoopbackHub()
os.environ.update(HUB.environment(Path(tempfile.mkdtemp(prefix="hf-home-"))), HF_HUB_OFFLINE="1")
# Two processes of tests with a thread for each core wait for each other: three times the time for tiny models.
os.environ["OMP_NUM_THREADS"] = "1"
# As for the commands: tests that start runs of two threads do so beside each other.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

import dataclasses

import datasets
import pytest
from huggingface_hub import constants
from hypothesis import settings
from launching import python
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

import custom_models  # noqa: F401, which registers the custom models
from sentiment_hf.text.tokenizers import train_tokenizer

# How long an example takes is no promise; `make faults` tries more of them.
settings.register_profile("default", deadline=None)
settings.register_profile("faults", deadline=None, max_examples=10_000)
settings.load_profile("default")

# By the time that they take.
LONGEST = ("contract", "distributed", "push", "compare", "checkpoints", "faults", "page", "tuning", "experiments")

VOCABULARY = 50
LABELS = {0: "bad", 1: "so-so", 2: "good"}


def small_model(name: str, seed: int = 0, **settings) -> PreTrainedModel:
    """A custom model with three labels, without any dropout unless `settings` say so, in eval mode."""
    fields = dataclasses.fields(AutoConfig.for_model(name))
    common = {"vocab_size": VOCABULARY, "embedding_size": 12, "hidden_size": 16, "id2label": LABELS}
    common |= {"label2id": {label: index for index, label in LABELS.items()}}
    common |= {field.name: 0.0 for field in fields if field.name.endswith("dropout")}
    set_seed(seed)
    return AutoModelForSequenceClassification.from_config(AutoConfig.for_model(name, **common | settings)).eval()


@pytest.fixture(scope="session")
def tokenizer() -> PreTrainedTokenizerBase:
    """Words, special tokens included not more than `VOCABULARY`."""
    texts = ["A fine film, warm and bright.", "The soup was cold and the waiter rude!", "It could be worse."]
    return train_tokenizer(texts, "word", vocab_size=VOCABULARY, min_frequency=1, lowercase=True, model_max_length=64)


@pytest.fixture(scope="module")
def forked() -> Iterator[None]:
    """What this process starts as `sys.executable` is forked from a Python with the libraries: `forked_python`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", python())
        yield


@pytest.fixture(scope="session")
def served_hub() -> Iterator[LoopbackHub]:
    """The hub that the environment names, serving."""
    with HUB:
        yield HUB


@pytest.fixture
def hub(served_hub: LoopbackHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackHub]:
    """The hub, and this process and those that it starts online."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    yield served_hub
    served_hub.recover()


def pytest_collection_modifyitems(items: list[pytest.Item]):
    """The longest files first, so that at the end neither of two processes waits long for the other."""
    place = {f"test_{name}.py": index for index, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


def pytest_collection_finish():
    """What was imported is no garbage. accelerate looks for some at each training: 0.3 s through a million objects."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    """The temporary home of the libraries goes with the session."""
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)

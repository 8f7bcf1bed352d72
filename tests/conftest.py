"""No test reaches the network; small models and a tokenizer for all tests."""

import os
import shutil
import tempfile

# The libraries read these when they are imported, and the processes that tests start inherit them.
os.environ["HF_HOME"] = tempfile.mkdtemp(prefix="hf-home-")
os.environ["HF_HUB_OFFLINE"] = "1"

import dataclasses

import pytest
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    set_seed,
)

import custom_models  # noqa: F401, which registers the custom models
from sentiment_hf.tokenization import train_tokenizer

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


def pytest_unconfigure():
    """The temporary home of the libraries goes with the session."""
    shutil.rmtree(os.environ["HF_HOME"], ignore_errors=True)

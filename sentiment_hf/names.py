"""What the value of --model is: a new model by name, a baseline, a checkpoint, an adapter."""

from pathlib import Path

from custom_models import MODEL_NAMES
from sentiment_hf.baselines import BASELINES
from sentiment_hf.common.errors import InputError, did_you_mean
from sentiment_hf.common.layout import ADAPTER_CONFIG


def is_fresh(name: str) -> bool:
    """True for a custom model or a baseline by name: its weights and its tokenizer are still to be made.

    Anything else is a checkpoint, and so is a folder with the name of a model, written as ./custom-lstm.

    Raises:
        InputError: a name that begins as those of the custom models or of the baselines do and is none.
    """
    for kind, prefix, known in (("custom model", "custom-", MODEL_NAMES), ("baseline", "baseline-", BASELINES)):
        if name.startswith(prefix) and "/" not in name and name not in known:
            raise InputError(
                f"--model {name}: no {kind} has this name{did_you_mean(name, known)}; a folder is ./{name}"
            )
    return name in MODEL_NAMES or name in BASELINES


def is_baseline(name: str) -> bool:
    """True for a baseline by name."""
    return is_fresh(name) and name in BASELINES


def is_adapter(name: str) -> bool:
    """True for a folder that holds an adapter and not the model around it."""
    return (Path(name) / ADAPTER_CONFIG).is_file()


def is_local(model: str) -> bool:
    """A folder, also one that is gone."""
    return Path(model).is_absolute() or Path(model).exists()

"""One pipeline for text classifiers trained from scratch and fine-tuned ones.

`run`, `compare`, `choose`, `tune`, `load`, `predict`, `explain`, `export` and `push` are the commands as functions
(`sentiment_hf.api`); all else is imported from the module you mean.
"""

import os
from importlib import import_module

__version__ = "0.1.0"

# ONNX Runtime reads it when it is imported: without it, it sends its makers what runs where.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

API = ("run", "compare", "choose", "tune", "load", "predict", "explain", "export", "push")
ERRORS = ("InputError", "TrainingError", "NotPushedError", "Interrupted")
__all__ = [*API, *ERRORS]


def __getattr__(name: str):
    """Import a name when it is asked for: the package itself imports nothing."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{'api' if name in API else 'common.errors'}"), name)


def __dir__() -> list[str]:
    """The names that are there, imported or not."""
    return sorted({*globals(), *__all__})

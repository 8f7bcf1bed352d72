"""The versions of the packages that a run depends on."""

import importlib.metadata
import platform

# What writes and reads the weights, the optimizer and the order of the rows.
VERSIONS_OF = ("torch", "transformers", "datasets", "tokenizers", "accelerate", "peft", "scikit-learn", "sentiment-hf")


def versions() -> dict[str, str]:
    """Of Python, of this package and of those that a run depends on."""
    return {name: importlib.metadata.version(name) for name in VERSIONS_OF} | {"python": platform.python_version()}

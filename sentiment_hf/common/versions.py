"""Versions of the packages that influence the result of a run."""

import importlib.metadata
import platform
from functools import cache

# These packages write and read the weights, the optimizer state and the order of the rows.
VERSIONS_OF = ("torch", "transformers", "datasets", "tokenizers", "accelerate", "peft", "scikit-learn", "sentiment-hf")


def versions() -> dict[str, str]:
    """Package name to installed version, and the version of Python as `python`."""
    return {name: version(name) for name in VERSIONS_OF} | {"python": platform.python_version()}


@cache
def version(package: str) -> str:
    """The version of an installed package. Each checkpoint asks, and its metadata take 2 ms to read."""
    return importlib.metadata.version(package)

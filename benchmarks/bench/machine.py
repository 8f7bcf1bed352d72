"""The machine and the versions behind a figure."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from sentiment_hf.common.processor import cpuinfo, instruction_sets, processor_name

PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "keras", "fasttext-wheel")


def machine() -> dict[str, Any]:
    """Processor, cores of this process, instruction sets, memory in bytes, load of the last minute, versions, time."""
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "instruction_sets": instruction_sets(cpuinfo()),
        "memory_bytes": psutil.virtual_memory().total,
        "load": os.getloadavg()[0],
        "versions": {"Python": platform.python_version()} | versions(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def versions() -> dict[str, str]:
    """The installed versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found

"""The machine and the versions behind a figure."""

import os
import platform
import re
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

from sentiment_hf.common.processor import processor_name

CPUINFO = Path("/proc/cpuinfo")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")
PACKAGES = ("torch", "transformers", "tokenizers", "numpy", "scikit-learn", "keras", "fasttext-wheel")


def machine() -> dict[str, Any]:
    """Processor, cores of this process, instruction sets, memory in bytes, load of the last minute, versions, time."""
    return {
        "processor": processor_name(),
        "cores": len(os.sched_getaffinity(0)),
        "instruction_sets": instruction_sets(CPUINFO.read_text(errors="replace") if CPUINFO.is_file() else ""),
        "memory_bytes": psutil.virtual_memory().total,
        "load": os.getloadavg()[0],
        "versions": {"Python": platform.python_version()} | versions(),
        "date": datetime.now(UTC).isoformat(timespec="minutes"),
    }


def instruction_sets(cpuinfo: str) -> list[str]:
    """Those of `INSTRUCTION_SETS` that the text of /proc/cpuinfo names."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.M)
    flags = found[1].split() if found else []
    return [name for name in INSTRUCTION_SETS if name in flags]


def versions() -> dict[str, str]:
    """The installed versions of `PACKAGES`."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found

"""The part of a report that describes the process and the machine."""

import platform
from typing import Any

import torch

from sentiment_hf.common.errors import windows_explained
from sentiment_hf.common.versions import versions
from sentiment_hf.training.device import device_name

with windows_explained("the peak memory of a run is measured"):
    import resource


def environment(device: torch.device | None = None) -> dict[str, Any]:
    """Threads, kind and name of the `device` (None: the CPU), peak memory of this process in bytes, and versions."""
    device = device or torch.device("cpu")
    # `ru_maxrss` is in KiB on Linux and in bytes on macOS.
    unit = 1 if platform.system() == "Darwin" else 1024
    cuda = torch.cuda.is_available()
    return {
        "threads": torch.get_num_threads(),
        "device": device_name(device),
        "device_kind": device.type,
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if cuda else 0,
        "versions": versions(),
    }

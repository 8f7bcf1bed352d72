"""The part of a report that describes the process and the machine."""

import platform
from typing import Any

import torch

from sentiment_hf.common.errors import windows_explained
from sentiment_hf.common.versions import versions

with windows_explained("the peak memory of a run is measured"):
    import resource


def environment() -> dict[str, Any]:
    """Threads, processor or GPU, peak memory of this process in bytes so far, and versions."""
    # `ru_maxrss` is in KiB on Linux and in bytes on macOS.
    unit = 1 if platform.system() == "Darwin" else 1024
    cuda = torch.cuda.is_available()
    return {
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if cuda else platform.processor() or platform.machine(),
        "peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit,
        "peak_gpu_memory_bytes": torch.cuda.max_memory_allocated() if cuda else 0,
        "versions": versions(),
    }

"""The name of the processor."""

import platform
from pathlib import Path


def processor_name() -> str:
    """The name that the processor has in /proc/cpuinfo, else that of the platform, such as arm."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()

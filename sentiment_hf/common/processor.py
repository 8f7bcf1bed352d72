"""The processor of this machine, by the name that its maker gives it."""

import platform
import re
import subprocess
from functools import cache
from pathlib import Path

CPUINFO = Path("/proc/cpuinfo")
INSTRUCTION_SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


@cache
def processor_name() -> str:
    """The name of the processor, as in "AMD EPYC 7B13"; the architecture, as in "x86_64", where no name is known.

    `platform.processor()` is the architecture on Linux and macOS. /proc/cpuinfo has no names on most ARM machines.
    """
    if CPUINFO.is_file():
        names = re.findall(r"^model name\s*:\s*(.+)$", cpuinfo(), re.M)
    elif platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        names = subprocess.run(command, capture_output=True, text=True).stdout.splitlines()
    else:
        names = []
    return names[0].strip() if names else platform.processor() or platform.machine()


def cpuinfo() -> str:
    """The text of /proc/cpuinfo; empty where there is none."""
    return CPUINFO.read_text(encoding="utf-8", errors="replace") if CPUINFO.is_file() else ""


def instruction_sets(cpuinfo: str) -> list[str]:
    """Those of `INSTRUCTION_SETS` that the text of /proc/cpuinfo names."""
    found = re.search(r"^flags\s*:(.*)$", cpuinfo, re.M)
    flags = found[1].split() if found else []
    return [name for name in INSTRUCTION_SETS if name in flags]

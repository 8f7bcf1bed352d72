"""The cores of the CPU that this process may use."""

import math
import os
from contextlib import suppress
from pathlib import Path


def available_cores(root: Path = Path("/")) -> int:
    """The cores that this process may use: its affinity, and at most the `cpu_quota` of its container."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return math.ceil(min(cores, cpu_quota(root)))


def cpu_quota(root: Path = Path("/")) -> float:
    """The cores whose time the control group of this process may use; infinity without a quota.

    Version 2 has both numbers in cpu.max, version 1 in a file each; a process may be limited by any group above it.
    `root` is the root of the file system. A container sees its own group at the top of /sys/fs/cgroup.
    """
    quotas = [math.inf]
    for group in control_groups(root):
        with suppress(OSError, ValueError, ZeroDivisionError):
            if (group / "cpu.max").is_file():
                quota, period = (group / "cpu.max").read_text().split()
            else:
                quota, period = ((group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
            # "max" in version 2, which is no number, and -1 in version 1 stand for no quota.
            if int(quota) > 0:
                quotas.append(int(quota) / int(period))
    return min(quotas)


def control_groups(root: Path) -> list[Path]:
    """The folders of the control groups of this process that limit the CPU, and of the groups above them."""
    top, groups = root / "sys/fs/cgroup", []
    with suppress(OSError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, controllers, name = line.split(":", 2)
            if not controllers or "cpu" in controllers.split(","):
                mount = top / controllers if controllers else top
                group = mount / name.strip("/")
                groups += [path for path in (group, *group.parents) if path.is_relative_to(mount)]
    return [*groups, top, top / "cpu"]

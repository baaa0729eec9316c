"""What the machine has: processors that this process may use."""

import math
import os
import sys

__all__ = ["CPU_COUNT", "cpu_count"]


def _quota() -> float | None:
    """Processors that the control group grants, where it limits them."""
    try:
        with open("/sys/fs/cgroup/cpu.max") as file:
            quota, period = file.read().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        pass
    try:
        with open("/sys/fs/cgroup/cpuacct,cpu/cpu.cfs_quota_us") as file:
            granted = int(file.read())
        with open("/sys/fs/cgroup/cpuacct,cpu/cpu.cfs_period_us") as file:
            length = int(file.read())
        return granted / length if granted > 0 and length > 0 else None
    except (OSError, ValueError):
        return None


def cpu_count() -> int:
    """The number of processors that this process may use: of its affinity, and of what its control group grants.

    Examples
    --------
    >>> from raskr.system import cpu_count
    >>> cpu_count() >= 1
    True
    """
    count = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        count = min(count, len(os.sched_getaffinity(0)))
    if sys.platform == "linux":
        quota = _quota()
        if quota is not None:
            count = min(count, math.ceil(quota))
    return max(count, 1)


CPU_COUNT = cpu_count()

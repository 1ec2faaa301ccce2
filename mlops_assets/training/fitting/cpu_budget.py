"""How many cores this process may use: its affinity, the quota of its container, and what others leave."""

from __future__ import annotations

import math
import os
from pathlib import Path

_QUOTA = Path("/sys/fs/cgroup/cpu.max")


def usable_cores(quota: Path = _QUOTA) -> int:
    """Return how many cores this process may use. A container with a quota of 1.5 CPUs counts as 2.

    Args:
        quota: The cgroup's file `cpu.max`.

    Returns:
        At least 1.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    try:
        limit, period = quota.read_text().split()
        return max(1, min(allowed, math.ceil(int(limit) / int(period))))
    except (OSError, ValueError):
        return max(1, allowed)


def idle_cores() -> int:
    """Return the usable cores less those that were busy over the last minute, at least 1.

    Threads of one fit wait for each other after every step: one core that is taken away stalls them all, so
    that two threads
    on a crowded machine are many times slower than one.
    """
    usable = usable_cores()
    try:
        busy = round(os.getloadavg()[0])
    except OSError:
        busy = 0
    return max(1, usable - busy)

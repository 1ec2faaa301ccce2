"""Processor time of this process and of the processes that it started, ended ones included."""

from __future__ import annotations

import resource


def processor_seconds() -> float:
    """Return the processor time so far: user and system time of this process and of all below it."""
    import psutil

    own = sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )
    running = 0.0
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.Error:
            continue  # it has just ended, and is counted above
        running += sum(times[:4])  # with its own ended children
    return own + running

"""Waiting for a condition, with a patience that grows with the load of the machine: tests wait, they never sleep."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable


def patience(seconds: float) -> float:
    """`seconds` of an idle machine as seconds of this one now.

    Times the processes that share each core, and 3 at least as a load average follows late.
    """
    try:
        load = os.getloadavg()[0] / (os.cpu_count() or 1)
    except OSError:
        load = 0.0
    return seconds * max(3.0, 2.0 * load)


def became_true(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    """Wait until the condition holds; False when it did not within `patience(seconds)`."""
    end = time.monotonic() + patience(seconds)
    while not condition():
        if time.monotonic() > end:
            return False
        threading.Event().wait(0.02)
    return True


def wait_until(
    condition: Callable[[], bool], seconds: float = 20.0, why: Callable[[], str] = lambda: ""
) -> None:
    """Wait until the condition holds. Fails with `why()` when it did not within `patience(seconds)`."""
    assert became_true(condition, seconds), why() or f"not within {patience(seconds):.0f} s"

"""File locks between processes: exclusive or shared, released by the kernel when the holder ends, however it ends.

Comes in: a path. Goes out: a file descriptor that is the lock; closing it gives the lock back.
"""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path

POLL = 0.05  # seconds between two tries


def acquire(path: Path, *, shared: bool = False, timeout: float = 0.0) -> int | None:
    """Lock a file.

    Args:
        path: The file, created when missing.
        shared: Allow other shared locks at the same time.
        timeout: Seconds to wait for another process to release it.

    Returns:
        The descriptor that is the lock; None when another process kept it until the timeout.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
    end = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
            return descriptor
        except BlockingIOError:
            if time.monotonic() >= end:
                os.close(descriptor)
                return None
            time.sleep(POLL)
        except BaseException:
            os.close(descriptor)
            raise


def is_held(path: Path) -> bool:
    """Return whether a process has the lock now.

    Args:
        path: The lock file.

    Returns:
        False also when the file does not exist.
    """
    if not path.exists():
        return False
    descriptor = acquire(path)
    if descriptor is None:
        return True
    os.close(descriptor)
    return False


def sign(descriptor: int) -> None:
    """Write this process's id into a lock file, for messages and signals; valid while the process has the lock.

    Args:
        descriptor: Descriptor from `acquire`.
    """
    os.truncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)


def signature(path: Path) -> int | None:
    """Return the process id that the lock's holder wrote; None without one.

    Args:
        path: The lock file.

    Returns:
        The id, or None.
    """
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None

"""Log files that stay small: children append to a file themselves, so a log survives whoever watches them.

Comes in: a path. Goes out: an open descriptor, the last lines, or a file trimmed to one generation.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

LIMIT = 10 * 1024 * 1024  # bytes of a log before it becomes `<name>.log.1`


def open_append(path: Path) -> int:
    """Open a log for a child's output; appending lets `trim` cut the file under a running child.

    Args:
        path: The log file; its folder is created.

    Returns:
        A file descriptor; the caller closes it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    trim(path)
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)


def trim(path: Path, limit: int = LIMIT) -> None:
    """Move a log that grew past `limit` to `<name>.1` (one generation) and start a new one.

    Errors are ignored: a full disk must not end the process that logs.

    Args:
        path: The log file.
        limit: Size in bytes.
    """
    with suppress(OSError):
        if size(path) > limit:
            shutil.copyfile(path, path.with_name(f"{path.name}.1"))
            os.truncate(path, 0)


def size(path: Path) -> int:
    """Return the bytes in a log, 0 when there is none.

    Args:
        path: The log file.

    Returns:
        Bytes.
    """
    return path.stat().st_size if path.exists() else 0


def tail(path: Path, lines: int = 12, since: int = 0, reach: int = 65536) -> str:
    """Return the last lines of a log, indented; empty when there are none.

    Args:
        path: The log.
        lines: How many lines at most.
        since: Leave out what was written before this byte.
        reach: Bytes read from the end at most.

    Returns:
        Lines of text, or ''.
    """
    try:
        with path.open("rb") as file:
            end = size(path)
            file.seek(
                max(end - reach, since if since <= end else 0, 0)
            )  # shorter than `since`: trimmed meanwhile
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    return "\n".join(f"    {line}" for line in text.splitlines()[-lines:])

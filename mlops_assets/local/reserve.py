"""Disk space kept back for the day the disk is full, so that `mlops status` and `mlops rollback` still work then.

Comes in: the platform's folder. Goes out: a file that occupies space, smaller after each emergency; and a sentence for
each disk that is full. PostgreSQL cannot start, and cannot commit for long, without some free blocks.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from mlops_assets.operations.disks import by_disk, space_of

MIB: Final = 1024 * 1024
SIZE: Final = 64 * MIB
SLICE: Final = 16 * MIB
"""What one emergency gets: a segment of PostgreSQL's log. The next emergency gets as much again."""
SHARE: Final = 4
"""On a small disk the reserve takes at most this part of the free space: a quarter."""


def keep(home: Path) -> None:
    """Create the reserve, or fill it up when there is space again. Does nothing on a disk that is nearly full.

    Args:
        home: The platform's folder.
    """
    path = _path(home)
    with suppress(OSError):  # a reserve that cannot be made must not stop anybody
        size = path.stat().st_size if path.exists() else 0
        wanted = min(SIZE, (space_of(home).free + size) // SHARE // SLICE * SLICE)
        if wanted <= size:
            return
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, wanted)
        finally:
            os.close(descriptor)


def give_back(home: Path) -> str | None:
    """Give one slice of the reserve back when the disk is full.

    Args:
        home: The platform's folder.

    Returns:
        A sentence for the person; None when nothing was released.
    """
    path = _path(home)
    try:
        if space_of(home).free >= SLICE:
            return None
        rest = max(0, path.stat().st_size - SLICE)
        os.truncate(path, rest)
    except OSError:
        return None
    return (
        f"the disk of {home} is full: {SLICE // MIB} MiB of {path} were released so that this command can work, "
        f"{rest // MIB} MiB are left. Free some space now"
    )


def full_disks(paths: Iterable[Path]) -> tuple[str, ...]:
    """Return a sentence for each disk without free space or free inodes.

    Args:
        paths: Folders of the platform; those that do not exist are passed over.

    Returns:
        Sentences that name the folders, one for each disk.
    """
    return tuple(sentence for together in by_disk(paths) if (sentence := _problem(together)))


def _problem(folders: list[Path]) -> str | None:
    space = space_of(folders[0])
    names = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    if space.free < SLICE:
        free, total = space.free / MIB, space.total / MIB
        return f"the disk of {names} is full: {free:,.0f} MiB of {total:,.0f} MiB are free"
    if not space.has_inodes:
        return f"the disk of {names} has no free inodes: remove files"
    return None


def _path(home: Path) -> Path:
    return home / "reserve"

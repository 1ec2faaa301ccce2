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

MIB: Final = 1024 * 1024
SIZE: Final = 64 * MIB
SLICE: Final = 16 * MIB
"""What one emergency gets: a segment of PostgreSQL's log. The next emergency gets as much again."""
SHARE: Final = 4
"""On a small disk the reserve takes at most this part of the free space: a quarter."""


def free_bytes(path: Path) -> int:
    """Return the space that a program without special rights can still use.

    Args:
        path: A file or folder that exists.

    Returns:
        Bytes.
    """
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def keep(home: Path) -> None:
    """Create the reserve, or fill it up when there is space again. Does nothing on a disk that is nearly full.

    Args:
        home: The platform's folder.
    """
    path = _path(home)
    with suppress(OSError):  # a reserve that cannot be made must not stop anybody
        size = path.stat().st_size if path.exists() else 0
        wanted = min(SIZE, (free_bytes(home) + size) // SHARE // SLICE * SLICE)
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
        if free_bytes(home) >= SLICE:
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
    folders: dict[int, list[Path]] = {}
    for path in paths:
        with suppress(OSError):
            folders.setdefault(path.stat().st_dev, []).append(path)
    return tuple(sentence for together in folders.values() if (sentence := _problem(together)))


def _problem(folders: list[Path]) -> str | None:
    disk = os.statvfs(folders[0])
    names = ", ".join(dict.fromkeys(str(folder) for folder in folders))
    if disk.f_bavail * disk.f_frsize < SLICE:
        free, total = disk.f_bavail * disk.f_frsize / MIB, disk.f_blocks * disk.f_frsize / MIB
        return f"the disk of {names} is full: {free:,.0f} MiB of {total:,.0f} MiB are free"
    if disk.f_files and not disk.f_favail:
        return f"the disk of {names} has no free inodes: remove files"
    return None


def _path(home: Path) -> Path:
    return home / "reserve"

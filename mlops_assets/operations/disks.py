"""How much space the disks of the platform have: measured here and nowhere else.

Comes in: folders. Goes out: free space as a program without special rights sees it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.settings import Settings


@dataclass(frozen=True, slots=True)
class Space:
    """The space of one disk, in bytes. has_inodes: whether a file can still be created."""

    free: int
    total: int
    has_inodes: bool


def space_of(path: Path) -> Space:
    """Return the space of the disk that holds a path.

    Args:
        path: A file or folder; where it does not exist yet, its nearest parent counts.

    Returns:
        The space.

    Raises:
        OSError: The disk cannot be read.
    """
    disk = os.statvfs(next(one for one in (path, *path.parents) if one.exists()))
    return Space(
        free=disk.f_bavail * disk.f_frsize,
        total=disk.f_blocks * disk.f_frsize,
        has_inodes=not disk.f_files or disk.f_favail > 0,
    )


def folders_of(settings: Settings) -> dict[str, Path]:
    """Return the folders that the platform writes to on this machine's disks.

    Args:
        settings: Settings of the installation.

    Returns:
        Path by name: home, bundles, and data unless the tables are in an object store.
    """
    data = {} if "://" in settings.data_root else {"data": Path(settings.data_root)}
    return {"home": settings.home, "bundles": settings.model_root, **data}


def by_disk(paths: Iterable[Path]) -> list[list[Path]]:
    """Group folders that share a disk.

    Args:
        paths: Folders; those that do not exist are passed over.

    Returns:
        One list per disk, in the order of the first folder of each.
    """
    groups: dict[int, list[Path]] = {}
    for path in paths:
        with suppress(OSError):
            groups.setdefault(path.stat().st_dev, []).append(path)
    return list(groups.values())

"""Folders for unix sockets, whose paths may be about a hundred bytes long and, for some programs, plain.

Comes in: the folder one would like. Goes out: that folder, or a short private one that every process finds again.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from pathlib import Path

from mlops_assets.errors import ServiceError

LIMIT = 100  # bytes of the whole path: 107 on Linux, 103 on macOS
PLAIN = re.compile(r"[A-Za-z0-9_./-]+")  # gRPC reads a socket's path as part of an address


def folder(wanted: Path, name: str) -> Path:
    """Return `wanted`, or a short folder below /tmp that depends on `wanted` alone, when the socket's path is too long.

    Args:
        wanted: Folder to prefer.
        name: Name of the socket.

    Returns:
        A folder; it need not exist.
    """
    path = str(wanted / name)
    if len(os.fsencode(path)) <= LIMIT and PLAIN.fullmatch(path):
        return wanted
    short = hashlib.sha256(os.fsencode(wanted)).hexdigest()[:16]
    return Path("/tmp") / f"mlops-{short}"  # noqa: S108 not $TMPDIR: every process must find the same one


def make(path: Path, owner: tuple[int, int] | None = None) -> None:
    """Create the folder, accessible to its owner only.

    Args:
        path: The folder.
        owner: User and group id; None for this process's.

    Raises:
        ServiceError: When another user created it first.
    """
    uid = os.getuid() if owner is None else owner[0]
    try:
        path.mkdir(mode=0o700, parents=True)
        if owner is not None:
            os.chown(path, *owner)
    except FileExistsError:
        status = path.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid or status.st_mode & 0o077:
            raise ServiceError(f"{path} belongs to somebody else; set MLOPS_HOME to a shorter path") from None

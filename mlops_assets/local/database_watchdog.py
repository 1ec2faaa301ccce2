"""The process above the embedded PostgreSQL: starts it, and stops it when nobody uses it any more.

Comes in: one JSON argument, `Plan`. Goes out: a server, whose exit this program outlives.
A user is a process that holds a shared lock on `users.lock`. The kernel gives that lock back when the process ends,
even by `kill -9`, so there is no list of process ids that could go stale. `server.lock` is handed down to PostgreSQL
and all its processes: whoever can take it knows that none of them is alive, whatever `postmaster.pid` says.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mlops_assets.local import locks, logs

PORT = 5432  # only part of the socket's name: the server listens on no network
POLL = 0.25


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start. uid and gid: the user PostgreSQL runs as when we are root, which it refuses to be."""

    binary: str
    data: str
    sockets: str
    locks: str
    log: str
    uid: int | None
    gid: int | None
    linger: float

    def as_argument(self) -> str:
        """Return the command line argument that `main` reads."""
        return json.dumps(asdict(self))


def command(plan: Plan) -> list[str]:
    """Return PostgreSQL's command line: no network, a socket only its owner may open, durable commits.

    Args:
        plan: Paths and binary of the server.

    Returns:
        Program and arguments.
    """
    options = {
        "listen_addresses": "",
        "port": PORT,
        "unix_socket_directories": plan.sockets,
        "unix_socket_permissions": "0700",
        "max_connections": 200,
        "shared_buffers": "64MB",
        "max_wal_size": "512MB",
        "io_method": "sync",
        "logging_collector": "off",
        "log_checkpoints": "off",
        "log_line_prefix": "%m [%p] %d ",
    }
    settings = [f"{key}={value}" for key, value in options.items()]
    return [plan.binary, "-D", plan.data, *(part for word in settings for part in ("-c", word))]


def main(arguments: Sequence[str]) -> int:
    """Run until the server ends or has no users.

    Args:
        arguments: Command line after the module: one JSON text.

    Returns:
        Exit code: the server's, or 3 when another server uses the folder.
    """
    plan = Plan(**json.loads(arguments[0]))
    folder = Path(plan.locks)
    lock = locks.acquire(folder / "server.lock", timeout=30)
    if lock is None:
        sys.stderr.write("database watchdog: another server still uses this folder\n")
        return 3
    locks.sign(lock)
    for stale in (Path(plan.data) / "postmaster.pid", *Path(plan.sockets).glob(f".s.PGSQL.{PORT}*")):
        stale.unlink(missing_ok=True)
    stop_requests: list[int] = []  # no Event: setting one in a handler can deadlock with waiting for it
    signal.signal(signal.SIGTERM, lambda number, _: stop_requests.append(number))
    server = subprocess.Popen(
        command(plan),
        user=plan.uid,
        group=plan.gid,
        extra_groups=None if plan.uid is None else [],
        pass_fds=[lock],
        stdin=subprocess.DEVNULL,
        cwd="/",
        preexec_fn=_die_with_parent(),
    )
    try:
        # The lock is kept until this process ends: who comes now waits, then starts a fresh server.
        _wait_until_unused(server, plan, stop_requests)
    finally:
        _stop(server)
    return server.returncode or 0


def _wait_until_unused(server: subprocess.Popen[bytes], plan: Plan, stop_requests: list[int]) -> int | None:
    """Return the exclusive lock on the users' file, or None when the server ended by itself.

    The server stays `linger` seconds after its last user, so that the next command finds it running. SIGTERM fills
    `stop_requests` and ends that wait, but never stops a server that has users.
    """
    idle_since = None
    trimmed = time.monotonic()
    while server.poll() is None:
        users = locks.acquire(Path(plan.locks) / "users.lock")
        if users is None:
            idle_since = None
        else:
            idle_since = idle_since or time.monotonic()
            if stop_requests or time.monotonic() - idle_since >= plan.linger:
                return users
            os.close(users)
        if time.monotonic() - trimmed > 60:
            logs.trim(Path(plan.log))
            trimmed = time.monotonic()
        time.sleep(POLL)
    return None


def _stop(server: subprocess.Popen[bytes]) -> None:
    # fast shutdown, then immediate (recovers from its log at the next start), then the kernel's way
    if server.poll() is not None:
        return
    for sign, patience in ((signal.SIGINT, 30), (signal.SIGQUIT, 10), (signal.SIGKILL, 10)):
        server.send_signal(sign)
        try:
            server.wait(patience)
            return
        except subprocess.TimeoutExpired:
            continue


def _die_with_parent() -> Callable[[], None] | None:
    """Return what to do between fork and exec so that PostgreSQL stops when this watchdog is killed (Linux only).

    Everything is loaded here, before the fork: the server's user may not be able to read Python's files.
    """
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    pr_set_pdeathsig, sign = 1, int(signal.SIGINT)

    def ask_the_kernel() -> None:
        prctl(pr_set_pdeathsig, sign)

    return ask_the_kernel


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

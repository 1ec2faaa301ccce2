"""Start a service and stop it with everything below it.

Comes in: a command, or processes to stop. Goes out: processes started, or gone. Every process of `mlops up` carries the
variable `MLOPS_UP` with the home folder: grandchildren inherit it even when they leave their group and session, so
nothing that we started can hide from `sweep`.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import psutil

from mlops_assets.local import logs
from mlops_assets.local.environment import PRIVATE

MARKER = "MLOPS_UP"
SERVICE = "MLOPS_SERVICE"
"""Environment variable with the name of the service that a process belongs to."""
POLL = 0.05


def spawn(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, its output appended to the log.

    Args:
        command: Program and arguments.
        environment: The whole environment.
        log: Where output goes.
        pass_fds: Descriptors that the child inherits, such as a socket that listens.

    Returns:
        The process.
    """
    output = logs.open_append(log)
    try:
        return subprocess.Popen(
            list(command),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            pass_fds=list(pass_fds),
            umask=PRIVATE,
        )
    finally:
        os.close(output)


def stop(
    processes: Iterable[subprocess.Popen[bytes]], grace: float, hurry: Callable[[], bool] = lambda: False
) -> None:
    """Terminate the processes' groups and descendants, and kill them after `grace` seconds.

    TERM and not INT: shells and several servers ignore INT when a terminal did not start them.

    Args:
        processes: The leaders of the groups.
        grace: Seconds between TERM and KILL.
        hurry: Polled; True ends the grace.
    """
    leaders = list(processes)
    families = {leader.pid: _family(leader.pid) for leader in leaders}
    everybody = [member for family in families.values() for member in family]
    for leader in leaders:
        _signal_group(leader.pid, signal.SIGTERM)
    for member in everybody:
        _signal(member, signal.SIGTERM, unless_in=families)
    if not _wait(leaders, everybody, grace, hurry):
        for leader in leaders:
            _signal_group(leader.pid, signal.SIGKILL)
        for member in everybody:
            _signal(member, signal.SIGKILL, unless_in=())
        _wait(leaders, everybody, 10)


def marked(home: Path) -> list[psutil.Process]:
    """Return every process that an `mlops up` on this home started, except this one and its ancestors.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.

    Returns:
        Running processes.
    """
    wanted = str(home)
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    marked_processes = []
    for process in psutil.process_iter():
        try:
            if process.pid not in mine and process.environ().get(MARKER) == wanted:
                marked_processes.append(process)
        except (psutil.Error, OSError):
            continue  # ended meanwhile, or somebody else's
    return marked_processes


def sweep(home: Path, grace: float) -> int:
    """End every marked process: SIGTERM, then SIGKILL.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.
        grace: Seconds between the two.

    Returns:
        How many processes there were.
    """
    first = marked(home)
    for process in first:
        _signal(process, signal.SIGTERM, unless_in=())
    _wait([], first, grace if first else 0)
    for process in marked(home) if first else []:
        _signal(process, signal.SIGKILL, unless_in=())
    _wait([], first, 10 if first else 0)
    return len(first)


def work_seconds(pid: int) -> float:
    """Return how long a process and its descendants have used a CPU or waited for one so far.

    A process that wants to work and gets no CPU from a busy machine is working, too.

    Args:
        pid: Process id.

    Returns:
        Seconds, user plus system plus the waits of its threads for a CPU; 0 for an unknown process.
    """
    total = 0.0
    for process in _family(pid):
        with contextlib.suppress(psutil.Error, OSError):
            times = process.cpu_times()
            total += times.user + times.system + _waited(process.pid)
    return total


def _waited(pid: int) -> float:
    """Return the seconds that the threads of a process waited for a CPU; 0 where the kernel does not count them."""
    waits = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            waits += int(thread.read_text().split()[1])
    return waits / 1e9


def _family(pid: int) -> list[psutil.Process]:
    try:
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _wait(
    leaders: Sequence[subprocess.Popen[bytes]],
    members: Sequence[psutil.Process],
    patience: float,
    hurry: Callable[[], bool] = lambda: False,
) -> bool:
    end = time.monotonic() + patience
    while True:
        left = [leader for leader in leaders if leader.poll() is None]  # polls every one: that reaps them
        left_behind = any(_alive(member) for member in members) or any(
            _group(leader.pid) for leader in leaders
        )
        if not left and not left_behind:
            return True
        if time.monotonic() >= end or hurry():
            return False
        time.sleep(POLL)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _group(leader: int) -> bool:
    """Return whether a live process is left in the group of this leader."""
    try:
        os.killpg(leader, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return any(_alive(member) for member in psutil.process_iter() if _group_of(member.pid) == leader)


def _group_of(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return None


def _signal_group(leader: int, sign: signal.Signals) -> None:
    try:
        os.killpg(leader, sign)
    except (ProcessLookupError, PermissionError):
        return


def _signal(process: psutil.Process, sign: signal.Signals, unless_in: Iterable[int]) -> None:
    """Signal one process, by identity and not by number, unless its group was signalled already."""
    if _group_of(process.pid) in set(unless_in):
        return
    try:
        process.send_signal(sign)
    except psutil.Error:
        return

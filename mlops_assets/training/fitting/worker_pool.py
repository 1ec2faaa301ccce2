"""The processes that fits run in, from the side that asks.

Started when needed, kept for the next, killed when late.

Comes in: an algorithm's name and a job folder (see `worker` for what lies in it), or a bundle to verify. Goes out:
how it ended. A process costs its imports once: 0.5 s for LightGBM, 1.6 s for scikit-learn, so that it stays for
later fits of the same library and leaves by itself after some idle minutes, or at once when this process ends.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Final, Literal

from mlops_assets.errors import BundleError
from mlops_assets.training.algorithms import ALGORITHMS
from mlops_assets.training.algorithms.base.algorithm import Progress

_lock: Final = threading.Lock()
_idle: Final[dict[tuple[int, tuple[str, ...]], list[_Worker]]] = {}
_busy: Final[dict[Path, _Worker]] = {}
KEPT_IDLE: Final = 2
_START_WORKER: Final = "from mlops_assets.training.fitting.worker_main import main; main()"
VERIFY_SECONDS: Final = 120.0
"""CPU time that loading a bundle and answering its sample may take, imports included."""
BUSY: Final = 5.0
"""How many times as long a process that uses the CPU is waited for: a busy machine is slow, its bundles are whole."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an order ended, and why when it did not end well."""

    status: Literal["done", "failed", "timed_out"]
    message: str = ""


@dataclass(slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    stderr_file: IO[bytes]
    unread: bytes = b""
    kind: tuple[str, ...] = field(default=())

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.close()

    def close(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        self.process.wait()
        self.stderr_file.close()

    def stderr_tail(self) -> str:
        self.stderr_file.seek(0, os.SEEK_END)
        self.stderr_file.seek(max(0, self.stderr_file.tell() - 2_000))
        return self.stderr_file.read().decode(errors="replace").strip()


class _Patience:
    """How long a worker is waited for: until `end`, and longer while it works without having had that much CPU."""

    def __init__(self, worker: _Worker, end: float, busy: float) -> None:
        self._pid, self._end = worker.process.pid, end
        self._seconds = end - time.monotonic()
        self.longest = self._seconds * busy
        self._last = end + self.longest - self._seconds
        self._began = self._used = self._cpu()

    def left(self) -> float:
        """Return the seconds until the worker is late; 0 or less where it is."""
        now = time.monotonic()
        if now < self._end or now >= self._last:
            return self._end - now
        used = self._cpu()
        owed = self._seconds - (used - self._began)
        if used > self._used and owed > 0:
            self._end = min(now + max(owed, 1.0), self._last)
        self._used = used
        return self._end - now

    def _cpu(self) -> float:
        import psutil

        try:
            times = psutil.Process(self._pid).cpu_times()
        except psutil.Error:
            return 0.0
        return float(times.user + times.system)


def run_task(
    algorithm: str, task_folder: Path, end: float, on_progress: Callable[[Progress], None]
) -> Outcome:
    """Run a task in a worker process; when it is late, its process group is killed.

    Args:
        algorithm: Name of the algorithm.
        task_folder: Folder with the task's input, and later its result.
        end: Monotonic time in seconds at which the task must be done.
        on_progress: Receives the losses at every step.

    Returns:
        The state and its message.
    """
    if end - time.monotonic() <= 0:
        return Outcome("timed_out", f"{algorithm}: no time was left to start")
    return _run(algorithm, {"folder": str(task_folder)}, task_folder, end, on_progress)


def verify(algorithm: str, bundle: Path, manifest_sha256: str, pickled: Iterable[str] = ()) -> None:
    """Load a stored bundle and predict its sample in another process, which knows only what lies on disk.

    The predictions in the sample were made by this process, so that two processes agree on what the files mean before
    anything trusts them.

    Args:
        algorithm: Its name.
        bundle: The folder.
        manifest_sha256: The hash of its manifest.
        pickled: Import paths of estimators that may be unpickled.

    Raises:
        BundleError: If the other process refused it.
    """
    reason = try_loading(algorithm, bundle, manifest_sha256, pickled)
    if reason:
        raise BundleError(f"what was just stored is not used, a fresh process refused it: {reason}")


def try_loading(
    algorithm: str,
    bundle: Path,
    manifest_sha256: str,
    pickled: Iterable[str] = (),
    seconds: float = VERIFY_SECONDS,
    memory_bytes: int | None = None,
) -> str:
    """Load a stored bundle and predict its sample in another process, which may crash, hang or be ended at a limit.

    Args:
        algorithm: Its name.
        bundle: The folder.
        manifest_sha256: The hash of its manifest.
        pickled: Import paths of estimators that may be unpickled.
        seconds: CPU time that it may take, imports included; also how long it is waited for while it uses none.
        memory_bytes: Address space that loading may add to the process; None for no limit.

    Returns:
        Why it cannot be loaded; empty where it can.
    """
    task = {
        "algorithm": algorithm,
        "bundle": str(bundle),
        "manifest_sha256": manifest_sha256,
        "pickled": sorted(pickled),
        "memory_bytes": memory_bytes,
    }
    outcome = _run(algorithm, task, bundle, time.monotonic() + seconds, lambda _: None, busy=BUSY)
    return "" if outcome.status == "done" else outcome.message or outcome.status


def _run(
    algorithm: str,
    task: dict[str, Any],
    key: Path,
    end: float,
    on_progress: Callable[[Progress], None],
    busy: float = 1.0,
) -> Outcome:
    worker = _acquire(algorithm)
    _busy[key] = worker
    try:
        outcome = _communicate(worker, algorithm, task, _Patience(worker, end, busy), on_progress)
    except BaseException:
        worker.kill()
        raise
    finally:
        del _busy[key]
    if outcome is None:
        worker.kill()
        return Outcome("timed_out", f"{algorithm}: ended by the time limit")
    if worker.process.poll() is None and outcome.status != "timed_out":
        _release(worker)
    else:
        worker.kill()
    return outcome


def start_early(algorithms: Iterable[str]) -> None:
    """Start one process per library that imports it, unless one is idle already.

    Args:
        algorithms: Names of algorithms.
    """
    kinds = {ALGORITHMS[name].packages: name for name in algorithms}
    for kind, name in sorted(kinds.items()):
        with _lock:
            if _idle.get((os.getpid(), kind)):
                continue
        worker = _acquire(name)
        assert worker.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            worker.process.stdin.write(json.dumps({"warm": name}).encode() + b"\n")
            worker.process.stdin.flush()
        _release(worker)


def kill_busy(folder: Path) -> None:
    """Kill every fit whose task lies below `folder`.

    Args:
        folder: Folder of a training.
    """
    for task_folder, worker in list(_busy.items()):
        if task_folder.is_relative_to(folder):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(worker.process.pid, signal.SIGKILL)


def _acquire(algorithm: str) -> _Worker:
    kind = ALGORITHMS[algorithm].packages
    with _lock:
        waiting = _idle.get((os.getpid(), kind), [])
        while waiting:
            worker = waiting.pop()
            if worker.process.poll() is None:
                return worker
            worker.close()
    stderr_file = tempfile.TemporaryFile(prefix="mlops-fit-")  # noqa: SIM115 - it exists as long as the worker
    process = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _START_WORKER,
            json.dumps(sys.path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr_file,
        start_new_session=True,
    )
    return _Worker(process, stderr_file, kind=kind)


def _release(worker: _Worker) -> None:
    with _lock:
        waiting = _idle.setdefault((os.getpid(), worker.kind), [])
        if len(waiting) < KEPT_IDLE:
            waiting.append(worker)
            return
    worker.kill()


def _communicate(
    worker: _Worker,
    algorithm: str,
    task: dict[str, Any],
    patience: _Patience,
    on_progress: Callable[[Progress], None],
) -> Outcome | None:
    stdin, stdout = worker.process.stdin, worker.process.stdout
    assert stdin is not None
    assert stdout is not None
    with contextlib.suppress(BrokenPipeError):
        stdin.write(json.dumps({**task, "seconds": patience.longest}).encode() + b"\n")
        stdin.flush()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while (left := patience.left()) > 0:
            if not selector.select(left):
                continue
            piece = os.read(stdout.fileno(), 65_536)
            if not piece:
                return _died(worker, algorithm)
            *lines, worker.unread = (worker.unread + piece).split(b"\n")
            for line in lines:
                response = json.loads(line)
                if "step" in response:
                    on_progress(Progress(response["step"], response["values"]))
                else:
                    return Outcome(response["status"], response["message"])
    return None


def _died(worker: _Worker, algorithm: str) -> Outcome:
    code = worker.process.wait()
    if code == -signal.SIGALRM:
        return Outcome("timed_out", f"{algorithm}: ended by the time limit")
    how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
    hint = " (out of memory?)" if code == -signal.SIGKILL else ""
    tail = worker.stderr_tail()
    return Outcome(
        "failed", f"{algorithm}: its process died of {how}{hint}" + (f": {tail[-500:]}" if tail else "")
    )


@atexit.register
def _close_all() -> None:
    with _lock:
        for (pid, _), waiting in _idle.items():
            for worker in waiting if pid == os.getpid() else []:
                worker.kill()
        _idle.clear()

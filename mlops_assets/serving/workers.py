"""Several processes behind one port, for more cores than one: each serves all models and follows the ledger itself.

Comes in: a socket that listens, and how many processes to run. They accept its connections in turn; one that dies is
started again, and all end with the process that started them. What they count is added up in `worker_metrics`.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final

from mlops_assets.serving.worker_metrics import retire

WORKER: Final = "MLOPS_API_WORKER"
"""Set for a worker: the folder of the metrics of all."""
LOOK_SECONDS: Final = 0.2
STABLE_SECONDS: Final = 10.0
"""A worker that ends sooner is started again after a pause."""
LONGEST_PAUSE: Final = 10.0
STOP_SECONDS: Final = 60.0
"""How long a worker may take to finish its requests and to write its prediction log."""

_LOGGER: Final = logging.getLogger(__name__)


@dataclass
class Workers:
    """The processes behind one socket.

    count: how many. listener: the socket. folder: where their metrics meet. environment: of each worker.
    """

    count: int
    listener: socket.socket
    folder: Path
    environment: Mapping[str, str]
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """Keep the workers running until this process is told to end; then let them finish."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)
        self.listener.set_inheritable(True)
        slots = [_Slot(self._start()) for _ in range(self.count)]
        while not self._stop.wait(LOOK_SECONDS):
            for slot in slots:
                self._renew(slot)
        for slot in slots:
            slot.process.terminate()
        end = time.monotonic() + STOP_SECONDS
        for slot in slots:
            try:
                slot.process.wait(max(0.1, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                slot.process.kill()
                slot.process.wait()  # it writes its metrics until it is gone

    def _end(self, _number: int, _frame: FrameType | None) -> None:
        self._stop.set()

    def _renew(self, slot: _Slot) -> None:
        """Start a worker that has ended again; sooner or later, as it has lived long or not."""
        now = time.monotonic()
        if slot.process.poll() is None:
            return
        if slot.next_start is None:
            _LOGGER.error("worker %d has ended with %s", slot.process.pid, slot.process.returncode)
            retire(self.folder, slot.process.pid)
            is_stable = now - slot.started > STABLE_SECONDS
            slot.pause = 0.0 if is_stable else min(max(2 * slot.pause, 1.0), LONGEST_PAUSE)
            slot.next_start = now + slot.pause
        if now >= slot.next_start:
            slot.process, slot.started, slot.next_start = self._start(), now, None

    def _start(self) -> subprocess.Popen[bytes]:
        descriptor = self.listener.fileno()
        return subprocess.Popen(
            [sys.executable, "-m", "mlops_assets.serving"],
            env={**self.environment, "MLOPS_API_FD": str(descriptor), WORKER: str(self.folder)},
            pass_fds=(descriptor,),
            stdin=subprocess.PIPE,  # its end is ours: see `end_with_parent`
        )


@dataclass
class _Slot:
    """One of the workers. next_start: when it is started again; None while it runs."""

    process: subprocess.Popen[bytes]
    started: float = field(default_factory=time.monotonic)
    pause: float = 0.0
    next_start: float | None = None


def end_with_parent() -> None:
    """End this worker, as a supervisor would, as soon as the process that started it is gone."""
    descriptor = sys.stdin.fileno()

    def wait() -> None:
        while os.read(
            descriptor, 1
        ):  # not `sys.stdin`, whose lock a thread that reads keeps at the process's end
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name="parent", daemon=True).start()

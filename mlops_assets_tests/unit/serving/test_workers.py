"""A worker ends with the process that started it, and as it wants to before."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

WORKER = "from mlops_assets.serving.workers import end_with_parent; end_with_parent(); print(1, flush=True); "


@pytest.mark.parametrize(
    ("rest", "status"), [("raise SystemExit(3)", 3), ("import time; time.sleep(60)", -signal.SIGTERM)]
)
def test_a_worker_ends_as_it_wants_or_with_its_parent(rest: str, status: int) -> None:
    # the interpreter aborts at its end when a thread keeps the lock of the standard input
    with subprocess.Popen(
        [sys.executable, "-c", WORKER + rest], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.read(1) == b"1"
        if status < 0:
            process.stdin.close()
        assert process.wait(30) == status

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from mlops_assets.local import locks

HOLDER = """
import sys, time
from pathlib import Path
from mlops_assets.local import locks
held = locks.acquire(Path(sys.argv[1]))
locks.sign(held)
print("held", flush=True)
time.sleep(60)
"""


def test_an_exclusive_lock_excludes_everybody(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    kept = locks.acquire(path)
    assert kept is not None
    assert locks.acquire(path) is None
    assert locks.acquire(path, shared=True) is None
    assert locks.is_held(path)
    os.close(kept)
    assert not locks.is_held(path)


def test_shared_locks_exclude_only_the_exclusive_one(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    first, second = locks.acquire(path, shared=True), locks.acquire(path, shared=True)
    assert first is not None
    assert second is not None
    assert locks.acquire(path) is None
    os.close(first)
    assert locks.acquire(path) is None
    os.close(second)
    last = locks.acquire(path)
    assert last is not None
    os.close(last)


def test_a_lock_dies_with_its_process_however_it_dies(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert locks.is_held(path)
        assert locks.signature(path) == holder.pid
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    assert not locks.is_held(path)

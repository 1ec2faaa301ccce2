"""A Redis of the test's own; where redis-server is not on this machine the test skips."""

from __future__ import annotations

import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """The address of an empty Redis, stopped at the end."""
    server = shutil.which("redis-server")
    if server is None:
        pytest.skip("redis-server is not on this machine; install the package redis-server")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    text = ["--port", str(port), "--bind", "127.0.0.1", "--save", "", "--requirepass", "pw"]
    process = subprocess.Popen([server, *text], cwd=folder, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if "Ready to accept connections" in line:
                break
        else:
            pytest.fail(f"redis-server ended with {process.wait()}")
        yield f"redis://:pw@127.0.0.1:{port}/1"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()

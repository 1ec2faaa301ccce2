"""The process next to `mlops up` that cleans up when it is killed: nothing may outlive it, not even after `kill -9`.

Comes in: the home folder as argument, and the reading end of a pipe as standard input. Only the supervisor holds the
other end; when it dies the kernel closes it. "done" before the end means that the supervisor has cleaned up itself.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

DONE = b"done"


def start(home: Path, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start the reaper. Keep the result: its `stdin` closes when the supervisor dies.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.
        environment: Environment of the reaper.

    Returns:
        The process.
    """
    return subprocess.Popen(
        [sys.executable, "-m", __name__, str(home)],
        env=dict(environment),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        umask=0o077,
    )


def dismiss(reaper: subprocess.Popen[bytes]) -> None:
    """End the reaper without an action; it is killed if it does not end within 10 seconds.

    Args:
        reaper: Result of `start`.
    """
    try:
        reaper.communicate(DONE, timeout=10)
    except (BrokenPipeError, subprocess.TimeoutExpired):
        reaper.kill()
        reaper.wait()


def main(home: Path) -> int:
    """Wait for the supervisor's end, then end the processes that it left.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.

    Returns:
        Exit code 0.
    """
    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(sign, signal.SIG_IGN)
    if sys.stdin.buffer.read() != DONE:
        from mlops_assets.local import processes

        processes.sweep(home, grace=10)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

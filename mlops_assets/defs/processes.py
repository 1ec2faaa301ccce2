"""The process that executes a run, recorded on the run itself, so that anybody on the machine can see that it has died.

Dagster's default launcher cannot tell a crashed worker from a busy one, and nothing watches a run of a terminal.
"""

import os
import socket

PROCESS_TAG = "mlops/process"


def this_process(run_id: str) -> str:
    """Return `run:host:pid:started`. It contains the run because a repeated run inherits the tags of the first.

    Args:
        run_id: Id of Dagster's run.

    Returns:
        Value of the process tag.
    """
    import psutil

    return f"{run_id}:{socket.gethostname()}:{os.getpid()}:{psutil.Process().create_time():.2f}"


def is_gone(tag: str, run_id: str) -> bool:
    """Return whether the process of a run has ended.

    Args:
        tag: Value of the process tag.
        run_id: Id of Dagster's run.

    Returns:
        False when the tag is malformed, another run's or another host's.
    """
    import psutil

    if tag.count(":") != 3:
        return False
    of_run, host, number, started = tag.split(":")
    if of_run != run_id or host != socket.gethostname():
        return False
    try:
        process = psutil.Process(int(number))
        return abs(process.create_time() - float(started)) > 2.0 or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True

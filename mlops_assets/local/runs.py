"""Runs whose worker is gone: Dagster believes they go on, and keeps their model's slot in the queue forever.

Comes in: settings and the code server's socket. Goes out: those runs failed, with the reason. Right only while no code
server of this home runs: then every run that one of them had started is dead. Runs that `mlops run` executes in its own
process carry no mark of a code server and are left alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from mlops_assets.errors import ServiceError
from mlops_assets.local import databases
from mlops_assets.local.environment import environment
from mlops_assets.settings import Settings, Stores

MARK = ".dagster/grpc_info"  # the tag Dagster's launcher puts on a run: the address of the server that started it

# Dagster is not imported here: two seconds, nearly always for nothing.
FAIL = """
import sys
import dagster as dg
mark, address, reason = sys.argv[1:]
going = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]
with dg.DagsterInstance.get() as instance:
    for run in instance.get_runs(dg.RunsFilter(statuses=going)):
        if address in run.tags.get(mark, ""):
            if run.status == dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, reason)
            else:
                instance.report_run_failed(run, reason)
            print(run.run_id)
"""


def fail_orphans(settings: Settings, stores: Stores, socket: Path, reason: str) -> int:
    """Fail the runs that a code server on this socket started and that never ended.

    Args:
        settings: Settings of the installation.
        stores: URLs of the databases.
        socket: The code server's socket.
        reason: Text for the runs' event log.

    Returns:
        How many there were.

    Raises:
        ServiceError: Dagster's storage cannot be reached.
    """
    address = json.dumps(str(socket))  # as in the tag, quotes and all: not a path that only begins like it
    if not _may_exist(stores, address):
        return 0
    done = subprocess.run(
        [sys.executable, "-c", FAIL, MARK, address, reason],
        env=environment(settings, stores),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        start_new_session=True,
    )
    if done.returncode:
        raise ServiceError(
            f"runs that ended with their process could not be marked as failed: {done.stderr.strip()}"
        )
    return len(done.stdout.split())


def _may_exist(stores: Stores, address: str) -> bool:
    """Query Dagster's own tables cheaply; when they have changed, Dagster itself is queried."""
    question = (
        "select exists (select from runs join run_tags using (run_id) "
        "where status in ('STARTING', 'STARTED', 'CANCELING') and key = %s and position(%s in value) > 0)"
    )
    return databases.holds(stores.dagster_url, question, (MARK, address)) is not False

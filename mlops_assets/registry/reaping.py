"""Ends runs that say RUNNING although nobody runs them any more: their process was killed before it could say so."""

from __future__ import annotations

import socket
from datetime import datetime, timedelta
from typing import Any

from mlops_assets.registry.tracked import BORN_TAG, HOST_TAG, PID_TAG


def reap(client: Any, experiments: list[str], now: datetime, older_than: timedelta) -> list[str]:
    """End runs of a dead process of this host, and any other that started before `now - older_than`.

    Args:
        client: An MlflowClient.
        experiments: Ids of the experiments.
        now: Present time, with a zone.
        older_than: Longest time that a run of another host may take.

    Returns:
        Ids of the ended runs.
    """
    if not experiments:
        return []
    latest = int((now - older_than).timestamp() * 1000)
    ended = []
    for run in client.search_runs(experiments, "attributes.status = 'RUNNING'", max_results=1_000):
        gone = _process_is_gone(run.data.tags)
        if gone or (gone is None and run.info.start_time < latest):
            client.set_tag(
                run.info.run_id, "reaped", "its process is gone" if gone else f"older than {older_than}"
            )
            client.set_terminated(run.info.run_id, "FAILED")
            ended.append(str(run.info.run_id))
    return ended


def _process_is_gone(tags: dict[str, str]) -> bool | None:
    """None when the process is not on this host."""
    import psutil

    if tags.get(HOST_TAG) != socket.gethostname() or PID_TAG not in tags:
        return None
    try:
        process = psutil.Process(int(tags[PID_TAG]))
        same = abs(process.create_time() - float(tags.get(BORN_TAG, "nan"))) < 2.0
        return not same or process.status() == psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, ValueError):
        return True

"""What is wrong now, by stated limits: the same as the alert rules of `deploy/monitoring`, without Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Final

from mlops_assets.operations.healing.snapshot import Series, Snapshot

DISK_FREE: Final = 0.05
MEMORY_FREE: Final = 0.05
CONNECTIONS: Final = 0.9
LOAD: Final = 4.0
"""Load average per core from which the machine is called overloaded."""
HEARTBEAT_SECONDS: Final = 600.0
QUEUED_SECONDS: Final = 3600.0
STUCK_SECONDS: Final = 6 * 3600.0
FAILED_RUNS: Final = 3
FAILED_SHARE: Final = 0.2
BACKUP_SECONDS: Final = 8 * 86_400.0
LEAK_SAMPLES: Final = 24
LEAK_SHARE: Final = 0.2
RUNNING: Final = ("STARTING", "STARTED", "CANCELING")


@dataclass(frozen=True, slots=True)
class Symptom:
    """Something that is wrong. component: a key of `NEEDS`; sentence: what was measured, and the limit."""

    component: str
    sentence: str


def symptoms(snapshot: Snapshot) -> tuple[Symptom, ...]:
    """Return everything that is beyond its limit; what could not be read is no symptom of its own.

    Args:
        snapshot: The newest values.

    Returns:
        Symptoms, in the order of the checks.
    """
    checks = (_databases, _disks, _machine, _services, _orchestration, _runs, _backup)
    return tuple(symptom for check in checks for symptom in check(snapshot))


def leaks(
    snapshot: Snapshot, history: Mapping[Series, Sequence[tuple[datetime, float]]]
) -> tuple[Symptom, ...]:
    """Return the services that use more and more memory: twice their usual, and a fifth of the machine's.

    Args:
        snapshot: The newest values.
        history: Samples of each series, oldest first.

    Returns:
        One symptom per service; none without two hours of history.
    """
    size = snapshot.get("mlops_memory_size_bytes")
    growing = []
    for name, used in snapshot.all("mlops_service_memory_bytes"):
        past = [value for _, value in history.get(Series("mlops_service_memory_bytes", name), ()) if value]
        if size and len(past) >= LEAK_SAMPLES and used > 2 * median(past) and used > size * LEAK_SHARE:
            sentence = f"{name} uses {used / 1e9:,.1f} GB, {used / median(past):,.1f} times its usual"
            growing.append(Symptom(f"leak:{name}", sentence))
    return tuple(growing)


def _databases(snapshot: Snapshot) -> Iterator[Symptom]:
    databases = dict(snapshot.all("mlops_database_up"))
    if databases and not any(databases.values()):
        yield Symptom("database:server", "no database responds")
    for name, up in databases.items():
        if up == 0:
            yield Symptom(f"database:{name}", f"the database {name} does not respond")
    limit = snapshot.get("mlops_database_connections_limit")
    used = sum(value for _, value in snapshot.all("mlops_database_connections"))
    if limit and used / limit > CONNECTIONS:
        yield Symptom("connections", f"{used:,.0f} of {limit:,.0f} connections are in use")


def _disks(snapshot: Snapshot) -> Iterator[Symptom]:
    for name, free in snapshot.all("mlops_disk_free_bytes"):
        size = snapshot.get("mlops_disk_size_bytes", name)
        if size and free / size < DISK_FREE:
            yield Symptom(f"disk:{name}", f"{free / size:.1%} of the disk of {name} is free")


def _machine(snapshot: Snapshot) -> Iterator[Symptom]:
    available, size = snapshot.get("mlops_memory_available_bytes"), snapshot.get("mlops_memory_size_bytes")
    if available is not None and size and available / size < MEMORY_FREE:
        yield Symptom("memory", f"{available / size:.1%} of the memory is available")
    load = snapshot.get("mlops_cpu_load_ratio")
    if load is not None and load > LOAD:
        yield Symptom("cpu", f"the load is {load:.1f} per core")


def _services(snapshot: Snapshot) -> Iterator[Symptom]:
    for name, up in snapshot.all("mlops_service_up"):
        if up == 0:
            yield Symptom(f"service:{name}", f"the service {name} does not respond")


def _orchestration(snapshot: Snapshot) -> Iterator[Symptom]:
    now = snapshot.at.timestamp()
    beats = dict(snapshot.all("mlops_daemon_heartbeat_timestamp_seconds"))
    silent = [name for name, at in beats.items() if now - at > HEARTBEAT_SECONDS]
    if silent:
        age = max(now - beats[name] for name in silent)
        yield Symptom("daemon", f"{', '.join(silent)}: no heartbeat for {age / 60:,.0f} minutes")
    failing = [name for name, failed in snapshot.all("mlops_tick_failed") if failed]
    if failing:
        yield Symptom("ticks", f"the last tick failed: {', '.join(failing)}")


def _runs(snapshot: Snapshot) -> Iterator[Symptom]:
    now = snapshot.at.timestamp()
    oldest = dict(snapshot.all("mlops_runs_oldest_timestamp_seconds"))
    waited = now - oldest.get("QUEUED", now)
    if waited > QUEUED_SECONDS:
        yield Symptom("queue", f"a run has waited for {waited / 3600:.1f} hours")
    longest = max((now - oldest[status] for status in RUNNING if status in oldest), default=0.0)
    if longest > STUCK_SECONDS:
        yield Symptom("stuck run", f"a run has gone on for {longest / 3600:.1f} hours")
    ended = dict(snapshot.all("mlops_runs_finished"))
    failed, total = ended.get("FAILURE", 0.0), sum(ended.values())
    if failed >= FAILED_RUNS and failed / total > FAILED_SHARE:
        yield Symptom("failing runs", f"{failed:,.0f} of {total:,.0f} runs of the last day failed")


def _backup(snapshot: Snapshot) -> Iterator[Symptom]:
    newest = snapshot.get("mlops_backup_timestamp_seconds")
    age = None if newest is None else snapshot.at.timestamp() - newest
    if age is not None and age > BACKUP_SECONDS:
        yield Symptom("backup", f"the newest backup is {age / 86_400:,.0f} days old")
    elif snapshot.get("mlops_backups") == 0:
        yield Symptom("backup", "there is no backup")

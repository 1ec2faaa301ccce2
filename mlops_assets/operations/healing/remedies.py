"""The table of remedies: what is done about which cause, how often a day, and when it is checked.

To add a remedy: one line here, and its action in `local.healing` unless a person does it. A cause without a line, a
remedy that has reached its limit, and one that did not help go to a person.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

Action = Literal["collect", "restart", "recommend"]


@dataclass(frozen=True, slots=True)
class Remedy:
    """What is done about a cause.

    Attributes:
        name: What people call the cause.
        component: Component of the cause, or its beginning up to the colon.
        action: `collect` old data, `restart` the service, or only `recommend`.
        per_day: How often within 24 hours; then a person is called.
        verify_after: How long until the symptom must be gone.
        sentence: What is done, or what a person should do.
    """

    name: str
    component: str
    action: Action
    per_day: int
    verify_after: timedelta
    sentence: str


def _remedy(name: str, component: str, action: Action, per_day: int, minutes: int, sentence: str) -> Remedy:
    return Remedy(name, component, action, per_day, timedelta(minutes=minutes), sentence)


REMEDIES: Final = (
    _remedy("disk_full", "disk:", "collect", 2, 10, "remove what the retention no longer keeps (mlops gc)"),
    _remedy("memory_leak", "leak:", "restart", 2, 10, "restart the service"),
    _remedy("dead_service", "service:", "restart", 3, 10, "restart the service"),
    _remedy("silent_daemon", "daemon", "restart", 3, 15, "restart the Dagster daemon"),
    _remedy("dead_database", "database:", "recommend", 0, 0, "docs/operations.md, 'The database is down'"),
    _remedy(
        "too_many_connections",
        "connections",
        "recommend",
        0,
        0,
        "run fewer workers, or raise max_connections",
    ),
    _remedy("low_memory", "memory", "recommend", 0, 0, "run fewer things at once, or use a larger machine"),
    _remedy("high_cpu", "cpu", "recommend", 0, 0, "run 1.5 times as many workers (MLOPS_EXECUTOR=celery)"),
    _remedy(
        "stuck_run",
        "stuck run",
        "recommend",
        0,
        0,
        "end the run in Dagster; what it does is in mlops logs MODEL",
    ),
    _remedy("failing_runs", "failing runs", "recommend", 0, 0, "mlops alerts"),
    _remedy("long_queue", "queue", "recommend", 0, 0, "run more workers (docs/operations.md)"),
    _remedy("failing_ticks", "ticks", "recommend", 0, 0, "read the error of the last tick in Dagster"),
    _remedy("old_backup", "backup", "recommend", 0, 0, "mlops backup create"),
)


def remedy_for(component: str) -> Remedy | None:
    """Return the remedy of a cause.

    Args:
        component: Component of the cause.

    Returns:
        The line of the table; None when there is none.
    """
    kind = component.partition(":")[0] + ":" if ":" in component else component
    return next((one for one in REMEDIES if one.component == kind), None)


def service_of(component: str) -> str:
    """Return the service that a remedy restarts.

    Args:
        component: Component of the cause.

    Returns:
        Name of the service.
    """
    return "dagster-daemon" if component == "daemon" else component.partition(":")[2]

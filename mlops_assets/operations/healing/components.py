"""Which part of the platform needs which: the graph on which a cause is searched.

An edge is real: what is below can stop what is above. Parts that exist several times (services, disks) are one
component each, `service:api`; `leak:api` is that service using ever more memory.
"""

from __future__ import annotations

from typing import Final

SERVICES: Final[dict[str, tuple[str, ...]]] = {
    "mlflow": ("database:mlops_mlflow", "disk:home", "memory"),
    "dagster-code": ("memory",),
    "dagster-webserver": ("service:dagster-code", "database:dagster", "memory"),
    "dagster-daemon": ("service:dagster-code", "database:dagster", "memory"),
    "api": ("database:ledger", "disk:bundles", "memory"),
    "review": ("database:ledger", "memory"),
    "exporter": ("database:ledger", "database:dagster", "memory"),
    "front": ("memory",),
}
NEEDS: Final[dict[str, tuple[str, ...]]] = {
    **{f"service:{name}": needs for name, needs in SERVICES.items()},
    "database:ledger": ("database:server", "connections"),
    "database:dagster": ("database:server", "connections"),
    "database:mlops_mlflow": ("database:server", "connections"),
    "database:server": ("disk:home", "memory"),
    "connections": (),
    "disk:home": (),
    "disk:bundles": ("disk:home",),
    "disk:data": ("disk:home",),
    "memory": tuple(f"leak:{name}" for name in SERVICES),
    "cpu": (),
    "daemon": ("service:dagster-daemon",),
    "ticks": ("daemon", "database:ledger", "service:mlflow"),
    "queue": ("daemon", "stuck run", "cpu"),
    "stuck run": ("service:dagster-code", "database:ledger", "service:mlflow", "disk:data", "memory"),
    "failing runs": ("service:dagster-code", "database:ledger", "service:mlflow", "disk:data", "memory"),
    "backup": ("disk:home",),
}


def everything_below(component: str) -> frozenset[str]:
    """Return every component that can stop this one, itself included.

    Args:
        component: A key of `NEEDS`; an unknown one needs nothing.

    Returns:
        Components, however far below.
    """
    reached: set[str] = set()
    waiting = [component]
    while waiting:
        current = waiting.pop()
        if current not in reached:
            reached.add(current)
            waiting += NEEDS.get(current, ())
    return frozenset(reached)

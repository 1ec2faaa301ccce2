"""Where the services of a running `mlops up` listen, for other commands: one file below the platform's folder.

Comes in: addresses by service. Goes out: the same, as long as `mlops up` runs; links that sign a browser in.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mlops_assets.local import front, locks

SIGNED: Final = {"dagster-webserver": "Dagster", "mlflow": "MLflow", "review": "Review page"}
"""Services behind the front, with the names that people know."""
TITLES: Final = {**SIGNED, "api": "prediction API", "exporter": "metrics"}
"""Every service with an address."""
LOCK: Final = "up.lock"


def write(home: Path, addresses: Mapping[str, str]) -> None:
    """Store the addresses.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.
        addresses: Address by service.
    """
    _file(home).write_text(json.dumps(dict(addresses), indent=2) + "\n")


def remove(home: Path) -> None:
    """Remove the addresses, when `mlops up` ends.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.
    """
    _file(home).unlink(missing_ok=True)


def running(home: Path) -> dict[str, str]:
    """Return the addresses of the running `mlops up`.

    Args:
        home: Folder of the platform, `MLOPS_HOME`.

    Returns:
        Address by service; empty when `mlops up` does not run on this folder.
    """
    # a killed `mlops up` leaves the file behind, but not the lock
    if not locks.is_held(home / LOCK) or not _file(home).exists():
        return {}
    addresses: dict[str, str] = json.loads(_file(home).read_text(encoding="utf-8"))
    return addresses


def link(service: str, address: str, session: str) -> str:
    """Return what a person opens: behind the front, the address with the key of the session.

    Args:
        service: Name of the service.
        address: Its address.
        session: Key of the session.

    Returns:
        A link.
    """
    return f"{address}/?{front.PARAMETER}={session}" if service in SIGNED else address


def _file(home: Path) -> Path:
    return home / "addresses.json"

"""Whether the databases are at the versions of this program: the marks that migrations leave, compared, not changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from mlops_assets.errors import ServiceError
from mlops_assets.local import databases
from mlops_assets.local.postgres import NAMES, UNFINISHED, expected_marks, server_url
from mlops_assets.settings import Settings

State = Literal["current", "behind", "unfinished", "missing"]


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Whether a database is at the versions that this program migrates to.

    Attributes:
        database: Name of the database.
        state: `current`, `behind`, `unfinished` (a migration of it was killed) or `missing`.
        migrated_to: Versions that it was migrated to; empty where none were recorded.
        expected: Versions of this program.
    """

    database: str
    state: State
    migrated_to: str
    expected: str


def check(settings: Settings) -> tuple[DatabaseState, ...]:
    """Return what a migration would have to do, and change nothing.

    Args:
        settings: The platform's settings.

    Returns:
        One record per database that this program migrates.

    Raises:
        ServiceError: The server does not respond, or nothing has run below MLOPS_HOME yet.
    """
    if settings.database_url is None and not (settings.home / "postgres" / "data").exists():
        raise ServiceError(f"nothing has run below {settings.home} yet; 'mlops migrate' makes the databases")
    with databases.maintenance(server_url(settings)) as connection:
        existing = databases.marks(connection, NAMES)

    wanted = expected_marks(settings.embedded or settings.database_url is None)
    return tuple(
        DatabaseState(name, _state(name, existing, mark), existing.get(name) or "", mark)
        for name, mark in sorted(wanted.items())
    )


def _state(name: str, existing: Mapping[str, str | None], mark: str) -> State:
    if name not in existing:
        return "missing"
    if existing[name] == UNFINISHED:
        return "unfinished"
    return "current" if existing[name] == mark else "behind"

"""The databases of the platform, there and migrated: the two calls that other code makes.

Comes in: `Settings`. Goes out: `Stores`. `start` gives databases that exist, `prepare` databases that are migrated;
both use the embedded server unless the settings name one. All migrations run here, once, before anything parallel.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import mlops_assets
from mlops_assets.errors import ServiceError
from mlops_assets.local import cluster, databases, reserve
from mlops_assets.local.environment import environment, make_dagster_home
from mlops_assets.settings import (
    APPLICATION_ROLE,
    APPROVER_ROLE,
    POSTGRES_DRIVER,
    Settings,
    Stores,
    database_on,
    with_driver,
    with_user,
)

if TYPE_CHECKING:
    from mlops_assets.local.databases import Connection

__all__ = ["Stores", "prepare", "release", "server_url", "start"]

NAMES = ("mlops_ledger", "mlops_dagster", "mlops_mlflow", "mlops_readings")

# A first migration that is killed can leave what no later one mends. Such a database is marked until it is whole, and
# made anew when it is found so; the ledger migrates in one transaction and needs no such care.
FRAGILE = {"mlops_dagster", "mlops_mlflow"}
UNFINISHED = "being made by mlops"
ROLES = "roles 2"
"""Part of the marks on the embedded server; another number applies the roles again."""

# The address travels in the environment: on the command line everybody on the machine could read its password.
# The store is opened once because it makes MLflow's first experiment, with the artifact root of whoever comes first.
MLFLOW_UPGRADE = """
import os
from mlflow.db import commands
commands(["upgrade", os.environ["MLOPS_MIGRATE_URL"]], standalone_mode=False)
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
SqlAlchemyStore(os.environ["MLOPS_MIGRATE_URL"], os.environ["MLOPS_ARTIFACT_ROOT"])
"""


def server_url(settings: Settings) -> str:
    """Return the PostgreSQL server of the settings, else the embedded one, started when it does not run.

    Args:
        settings: Settings of the installation.

    Returns:
        PostgreSQL URL without a database, or with the one of the settings.

    Raises:
        ServiceError: The address is not one of a PostgreSQL server.
    """
    if settings.database_url is None:
        return cluster.start(settings.home / "postgres")
    url = with_driver(settings.database_url)
    if urlsplit(url).scheme != POSTGRES_DRIVER:
        raise ServiceError(
            f"MLOPS_DATABASE_URL must be a PostgreSQL server (postgresql://user:password@host:5432), "
            f"not {databases.shown(url)}"
        )
    return url


def start(settings: Settings) -> Stores:
    """Start the server and create missing databases, without migrating them.

    This process counts as a user of the embedded server until it ends or calls `release`; the last user stops it.

    Args:
        settings: Settings of the installation.

    Returns:
        URLs of the databases.

    Raises:
        ServiceError: The server cannot be used, or we may not create databases.
    """
    server = server_url(settings)
    with databases.maintenance(server) as connection:
        if missing := _missing(settings, databases.marks(connection, NAMES)):
            databases.create(connection, missing)
    return Stores.on(server, settings.readings_url)


def release(settings: Settings) -> bool:
    """Stop being a user of the embedded server.

    Args:
        settings: Settings of the installation.

    Returns:
        Whether it has stopped, or is not ours.
    """
    return settings.database_url is not None or cluster.release(settings.home / "postgres")


def prepare(settings: Settings, echo: Callable[[str], None] = lambda _: None) -> Stores:
    """Create the databases, migrate them to the versions installed here, and create DAGSTER_HOME.

    When nothing changed this takes one query: each database carries the versions it was migrated to.

    Args:
        settings: The platform's settings.
        echo: Receives a sentence before each step that takes long.

    Returns:
        The addresses of the databases.

    Raises:
        ServiceError: A migration failed; the message ends with what it printed.
    """
    if settings.database_url is None and not (settings.home / "postgres" / "data").exists():
        echo(f"Making a PostgreSQL database below {settings.home / 'postgres'} (once, a few seconds)")
    server = server_url(settings)
    make_dagster_home(settings)
    reserve.keep(settings.home)
    wanted = expected_marks(settings.embedded or settings.database_url is None)
    with databases.maintenance(server) as connection:
        if _behind(databases.marks(connection, NAMES), wanted, settings):
            with databases.alone(connection):
                _catch_up(settings, Stores.on(server, settings.readings_url), connection, wanted, echo)
    if settings.database_url is None:
        return restricted(server, settings.readings_url)
    return Stores.on(server, settings.readings_url, settings.environ.get("MLOPS_APPROVALS_URL"))


def restricted(server: str, readings_url: str | None = None) -> Stores:
    """Return the databases of the embedded server as the roles that programs connect as, never its superuser.

    Args:
        server: Address of the server, as any user.
        readings_url: The database of simulated readings where it is another one.

    Returns:
        Addresses as the application role, and as the approver role for verdicts and waivers.
    """
    approvals_url = with_user(database_on(server, "mlops_ledger"), APPROVER_ROLE)
    return Stores.on(with_user(server, APPLICATION_ROLE), readings_url, approvals_url)


def grant(settings: Settings, stores: Stores) -> None:
    """Create the roles of `restricted`.

    Args:
        settings: The platform's settings.
        stores: Addresses of the migrated databases, as the superuser.

    Raises:
        LedgerError: The server refused.
    """
    from mlops_assets.ledger import roles

    owned = {"mlops_dagster": stores.dagster_url, "mlops_mlflow": stores.mlflow_url}
    if not settings.readings_url:
        owned["mlops_readings"] = stores.readings_url
    roles.apply_embedded(stores.ledger_url, owned)


def _catch_up(
    settings: Settings,
    stores: Stores,
    connection: Connection,
    wanted: Mapping[str, str],
    echo: Callable[[str], None],
) -> None:
    existing = databases.marks(connection, NAMES)
    missing = _missing(settings, existing)
    databases.create(connection, missing)
    behind = _behind(existing, wanted, settings) & set(wanted)
    if not behind:
        return
    echo("Migrating the databases (once per version, some seconds)")
    for name in behind & FRAGILE:
        if existing.get(name) == UNFINISHED:
            databases.recreate(connection, name)
        if name in missing or existing.get(name) == UNFINISHED:
            databases.mark(connection, name, UNFINISHED)
    _migrate(settings, stores, behind)
    if settings.database_url is None:
        grant(settings, stores)
    for name in behind:
        databases.mark(connection, name, wanted[name])


def _missing(settings: Settings, existing: Mapping[str, str | None]) -> list[str]:
    # readings that live elsewhere need no database here
    return [
        name
        for name in NAMES
        if name not in existing and not (name == "mlops_readings" and settings.readings_url)
    ]


def _behind(existing: Mapping[str, str | None], wanted: Mapping[str, str], settings: Settings) -> set[str]:
    return {name for name, mark in wanted.items() if existing.get(name) != mark} | set(
        _missing(settings, existing)
    )


def expected_marks(embedded: bool) -> dict[str, str]:
    """Return what each database has to be migrated to, without importing the libraries.

    Args:
        embedded: Whether the server is the embedded one, whose roles belong to the mark.

    Returns:
        Mark by name of the database.
    """
    revisions = Path(mlops_assets.__file__).parent / "ledger" / "migrations" / "versions"
    names = sorted(path.stem for path in revisions.glob("*.py") if path.stem != "__init__")
    marks = {
        "mlops_ledger": f"ledger {' '.join(names)}",
        "mlops_dagster": f"dagster {version('dagster')} dagster-postgres {version('dagster-postgres')}",
        "mlops_mlflow": f"mlflow {version('mlflow')}",
    }
    return {name: f"{mark} {ROLES}" for name, mark in marks.items()} if embedded else marks


def _migrate(settings: Settings, stores: Stores, names: set[str]) -> None:
    """Migrate different databases at the same time, each in one process."""
    work = {
        "mlops_ledger": lambda: _migrate_ledger(stores),
        "mlops_dagster": lambda: _run(
            settings, stores, "Dagster", ["-m", "dagster", "instance", "migrate"], {}
        ),
        "mlops_mlflow": lambda: _run(
            settings, stores, "MLflow", ["-c", MLFLOW_UPGRADE], {"MLOPS_MIGRATE_URL": stores.mlflow_url}
        ),
    }
    with ThreadPoolExecutor(len(work)) as pool:
        for done in [pool.submit(work[name]) for name in sorted(names)]:
            done.result()


def _migrate_ledger(stores: Stores) -> None:
    from mlops_assets.ledger import migrate

    migrate(stores.ledger_url)


def _run(
    settings: Settings, stores: Stores, what: str, arguments: list[str], more: Mapping[str, str]
) -> None:
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**environment(settings, stores), **more},
        cwd=os.sep,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        umask=0o077,
        start_new_session=True,  # Ctrl-C is for us to handle
    )
    if done.returncode:
        end = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise ServiceError(
            f"the database of {what} could not be migrated (after {time.monotonic() - began:.0f} s). It may have been "
            f"written by a newer version. What it said last:\n{end}"
        )

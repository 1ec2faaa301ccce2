"""Ledgers that live as long as one backtest: empty databases next to the platform's, migrated once and then copied.

Comes in: the platform's settings and a prefix. Goes out: addresses. No statement here names a database without the
prefix, so that the platform's own are out of reach.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from mlops_assets.errors import ServiceError
from mlops_assets.local import cluster, databases
from mlops_assets.local.postgres import server_url
from mlops_assets.settings import Settings, database_on

PREFIX = "mlops_backtest_"


class ScratchLedgers:
    """The scratch databases of one backtest on the platform's server.

    Args:
        settings: The platform's settings.
        key: Lower-case letters and digits that no other backtest uses.
    """

    def __init__(self, settings: Settings, key: str) -> None:
        self._server = _server(settings)
        self._prefix = f"{_prefix(settings)}{key}_"

    def open(self, name: str, *, fresh: bool) -> str:
        """Return the address of a migrated ledger.

        Args:
            name: Lower-case letters and digits, its own within the backtest.
            fresh: Empty it where it exists.

        Returns:
            PostgreSQL URL.

        Raises:
            ServiceError: The server does not respond, or we may not create databases.
        """
        from mlops_assets.ledger import migrate

        template = self._prefix + "template"
        wanted = self._prefix + name
        with databases.maintenance(self._server) as connection:
            if not databases.may_create(connection):
                raise ServiceError(
                    "a backtest works in scratch databases, which this user may not create. Ask the administrator of "
                    f"the server to run: alter role {connection.info.user} createdb"
                )
            if template not in databases.marks(connection, [template]):
                databases.create(connection, [template])
                migrate(database_on(self._server, template))
            existing = wanted in databases.marks(connection, [wanted])
            if existing and fresh:
                databases.drop(connection, [wanted])
            if fresh or not existing:
                databases.create(connection, [wanted], template=template)
        return database_on(self._server, wanted)

    def drop(self) -> None:
        """Remove every database of this backtest."""
        with databases.maintenance(self._server) as connection:
            databases.drop(connection, databases.named(connection, self._prefix))


def drop_others(settings: Settings, keys: Iterable[str]) -> int:
    """Remove the scratch databases of backtests that are gone.

    Args:
        settings: The platform's settings.
        keys: Keys of the backtests that may be resumed.

    Returns:
        Number of databases.
    """
    prefix = _prefix(settings)
    kept = tuple(f"{prefix}{key}_" for key in keys)
    with databases.maintenance(_server(settings)) as connection:
        left = [name for name in databases.named(connection, prefix) if not name.startswith(kept)]
        databases.drop(connection, left)
    return len(left)


def _server(settings: Settings) -> str:
    """Return the server as a user who may create databases: the application role of the embedded one may not."""
    return cluster.start(settings.home / "postgres") if settings.embedded else server_url(settings)


def _prefix(settings: Settings) -> str:
    """Return the beginning of the names that belong to this home: a server may be shared by several."""
    return f"{PREFIX}{hashlib.sha256(str(settings.home).encode()).hexdigest()[:8]}_"

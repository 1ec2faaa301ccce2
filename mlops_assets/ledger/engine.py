"""Access to the database: one engine per process, one short transaction per operation.

Comes in: a PostgreSQL URL. Goes out: connections inside a transaction, and errors a person can read.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Self

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError

from mlops_assets.errors import LedgerError, ServiceError
from mlops_assets.settings import with_driver

LOCK_TIMEOUT = "15s"  # a promoter that hangs must not make every other one hang
IDLE_TIMEOUT = "60s"  # the server ends the transaction of a process that was frozen in the middle of one

LOCK_NOT_AVAILABLE = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"
OTHER_ADDRESSES = "'mlops gc' uses MLOPS_RETENTION_URL, verdicts and waivers use MLOPS_APPROVALS_URL"


def normalized(url: str | URL) -> URL:
    """Return the URL with the driver that this project installs.

    Args:
        url: Database URL; `postgresql://` gets the driver.

    Returns:
        The parsed URL.

    Raises:
        LedgerError: When it is not a PostgreSQL URL.
    """
    try:
        parsed = make_url(with_driver(url) if isinstance(url, str) else url)
    except ArgumentError:
        raise LedgerError(
            "the ledger's address is not a database URL; expected postgresql://user:password@host:5432/database"
        ) from None
    if parsed.get_backend_name() != "postgresql":
        raise LedgerError(f"the ledger needs PostgreSQL, the address is for {parsed.get_backend_name()}")
    return parsed


def make_engine(url: str | URL) -> Engine:
    """Open a small pool (2 connections, at most 8) that notices a restarted server.

    The server ends a frozen client's transaction after a minute, so that its locks are released.

    Args:
        url: PostgreSQL URL of the ledger's database.

    Returns:
        An engine at READ COMMITTED, with the session's zone UTC.

    Raises:
        LedgerError: When the URL is not a PostgreSQL URL.
    """
    engine = create_engine(
        normalized(url),
        isolation_level="READ COMMITTED",  # after waiting for a lock, a verb must see what the winner wrote
        pool_pre_ping=True,
        pool_size=2,
        max_overflow=6,
        connect_args={"application_name": "mlops_ledger", "connect_timeout": 10},
    )

    @event.listens_for(engine, "connect")
    def _set_limits(connection: Any, _record: Any) -> None:
        with connection.cursor() as cursor:
            cursor.execute(
                f"set timezone = 'UTC'; set lock_timeout = '{LOCK_TIMEOUT}'; "
                f"set idle_in_transaction_session_timeout = '{IDLE_TIMEOUT}'"
            )
        connection.commit()

    return engine


def utc(at: datetime, what: str = "the time") -> datetime:
    """Return the instant in UTC. A time without a zone means something else on each machine and is refused.

    Args:
        at: A time with a zone.
        what: Name of the time in the error text.

    Returns:
        The same instant in UTC.

    Raises:
        LedgerError: When the time has no zone.
    """
    if at.tzinfo is None:
        raise LedgerError(f"{what} has no time zone: {at.isoformat()}; give a time in UTC")
    return at.astimezone(UTC)


class Store:
    """What every theme of the ledger shares: the engine, and a transaction with readable errors."""

    def __init__(self, engine: Engine, approvals: Engine | None = None) -> None:
        """Use `approvals` for verdicts and waivers, which the role of `engine` may not be allowed to record."""
        self._engine = engine
        self._approvals = approvals or engine

    @contextmanager
    def _transaction(self, engine: Engine | None = None) -> Iterator[Connection]:
        try:
            with (engine or self._engine).begin() as connection:
                yield connection
        except OperationalError as error:
            if getattr(error.orig, "pgcode", None) == LOCK_NOT_AVAILABLE:
                raise LedgerError(
                    f"another process locked this part of the ledger for over {LOCK_TIMEOUT}; nothing was changed, "
                    "try again"
                ) from error
            address = self._engine.url.render_as_string(hide_password=True)
            raise ServiceError(f"the ledger at {address} did not respond: {_first_line(error)}") from error
        except DBAPIError as error:
            refusal = f"the ledger refused: {_first_line(error)}"
            if getattr(error.orig, "pgcode", None) == INSUFFICIENT_PRIVILEGE:
                refusal += f"; the role of this address may not do that: {OTHER_ADDRESSES}"
            raise LedgerError(refusal) from error

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """Yield a transaction that only reads and sees one instant, for checks across tables."""
        with self._transaction() as connection:
            connection.execute(text("set transaction isolation level repeatable read, read only"))
            yield connection

    def server_time(self) -> datetime:
        """Return the time of the database server, in UTC."""
        with self._transaction() as connection:
            now: datetime = connection.execute(text("select clock_timestamp()")).scalar_one()
        return now.astimezone(UTC)

    def close(self) -> None:
        """Give all connections back. The ledger can be used again afterwards."""
        self._engine.dispose()
        self._approvals.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_line(error: DBAPIError) -> str:
    lines = str(error.orig).strip().splitlines()
    return lines[0] if lines else type(error.orig).__name__

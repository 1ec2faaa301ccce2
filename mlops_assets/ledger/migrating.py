"""Bring a database to the ledger's newest schema; safe from many processes at once and when killed.

Everything runs in one transaction that holds an advisory lock: PostgreSQL's DDL is transactional, so a killed
migration leaves the old schema and a second process finds the new one done.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, Connection, text

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store, make_engine

HEAD = "0013"
OLDEST = "0012"
"""Programs from this revision on work with the schema of HEAD: raised by a migration that is not additive."""
MARK = "programs from revision "
"""Begins the comment of the revision's table, which says the same to programs that do not know the schema."""
LOCK = 0x6D6C6F7073  # 'mlops': any number that only the ledger's migrations use on this database


def migrate(url: str | URL) -> str:
    """Create or upgrade the ledger's tables. Processes that migrate at the same time wait for one another.

    Args:
        url: PostgreSQL URL of the ledger's database.

    Returns:
        The schema revision after it.

    Raises:
        ServiceError: When the server does not respond.
        LedgerError: When the server refuses, or its schema is newer than this program.
    """
    with Store(make_engine(url)) as store, store._transaction() as connection:
        # another process may be migrating: wait for it, however long it takes
        connection.execute(text("set local lock_timeout = 0"))
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        current = schema_revision(connection)
        if current == HEAD or _newer_and_readable(connection, current):
            return str(current)
        migrate_to(connection)
        connection.execute(text(f"comment on table alembic_version is '{MARK}{OLDEST}'"))
        return HEAD


def schema_revision(connection: Connection) -> str | None:
    """Return the revision of the ledger's schema.

    Args:
        connection: An open connection; the caller owns its transaction.

    Returns:
        Alembic's revision, or None when the database has no ledger.
    """
    if connection.execute(text("select to_regclass('alembic_version')")).scalar() is None:
        return None
    current = connection.execute(text("select version_num from alembic_version")).scalar()
    return None if current is None else str(current)


def _newer_and_readable(connection: Connection, current: str | None) -> bool:
    """Return whether a newer release migrated the ledger, and only added to what this program knows."""
    if current is None or current <= HEAD:
        return False
    query = text("select obj_description('alembic_version'::regclass, 'pg_class')")
    mark = str(connection.execute(query).scalar() or "")
    oldest = mark.removeprefix(MARK) if mark.startswith(MARK) else ""
    return bool(oldest) and oldest <= HEAD


def require_head(connection: Connection) -> None:
    """Raise LedgerError unless the schema is the one this program knows, or a newer one with additions only.

    Two releases run side by side during a rolling update.

    Args:
        connection: An open connection; the caller owns its transaction.

    Raises:
        LedgerError: When the schema is missing, older or newer.
    """
    current = schema_revision(connection)
    if current == HEAD or _newer_and_readable(connection, current):
        return
    if current is None:
        raise LedgerError(
            "this database holds no ledger yet; run `mlops migrate` (or ledger.migrate(url)) first"
        )
    raise LedgerError(
        f"the ledger's schema is at revision {current}, this program expects {HEAD}: run `mlops migrate`, or install "
        "the newer mlops-assets when the database is ahead"
    )


def migrate_to(connection: Connection, target: str = "head") -> None:
    """Bring the schema to a revision, inside the connection's transaction.

    Args:
        connection: An open connection; the caller owns its transaction.
        target: Alembic revision; 'head' for the newest.

    Raises:
        LedgerError: When Alembic does not know the database's revision or the target.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, target)
    except CommandError as error:
        raise LedgerError(f"the ledger cannot be migrated: {error}") from error

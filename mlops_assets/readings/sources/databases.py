"""Opening a SQL database: URLs in, SQLAlchemy engines out, and a plain sentence when that fails.

`postgresql://` means psycopg 2 and `mysql://` means PyMySQL, whatever SQLAlchemy's defaults are. No password ever
reaches a message.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from mlops_assets.errors import MissingExtraError, SourceError
from mlops_assets.settings import Settings, with_driver

_DRIVERS: Final = {
    "mysql": "mysql+pymysql",
    "mariadb": "mariadb+pymysql",
}
_EXTRAS: Final = {
    "mysql": "mysql",
    "mariadb": "mysql",
    "snowflake": "snowflake",
    "bigquery": "bigquery",
    "redshift": "redshift",
}
READINGS_DATABASE: Final = "mlops_readings"


def readings_url(settings: Settings) -> str | None:
    """Return the address of the platform's readings database, None when only the embedded server knows it.

    Args:
        settings: Addresses and secrets.

    Returns:
        The URL, or None.
    """
    if settings.readings_url:
        return settings.readings_url
    if settings.database_url:
        return (
            _parsed(settings.database_url, "MLOPS_DATABASE_URL")
            .set(database=READINGS_DATABASE)
            .render_as_string(hide_password=False)
        )
    return None


def open_database(url: str, origin: str) -> sa.Engine:
    """Return a SQLAlchemy engine without a pool.

    Args:
        url: The database's URL.
        origin: The setting or variable that the URL comes from, for error messages.

    Returns:
        The engine; nothing is connected yet.

    Raises:
        SourceError: The URL is none, or names an unknown database.
        MissingExtraError: The driver is not installed.
    """
    parsed = _parsed(with_driver(url), origin)
    if parsed.drivername in _DRIVERS:
        parsed = parsed.set(drivername=_DRIVERS[parsed.drivername])
    dialect = parsed.get_backend_name()
    try:
        return sa.create_engine(parsed, poolclass=NullPool)
    except (NoSuchModuleError, ModuleNotFoundError):
        if dialect in _EXTRAS:
            raise MissingExtraError(f"reading from {dialect}", _EXTRAS[dialect]) from None
        raise SourceError(
            f"{origin}: SQLAlchemy knows no database {parsed.drivername!r}; install its dialect or correct the URL"
        ) from None


def display_url(url: sa.URL) -> str:
    """Return the address without user, password and options.

    Args:
        url: The database's URL.

    Returns:
        Backend, host, port and database.
    """
    address = f"{url.host}{f':{url.port}' if url.port else ''}" if url.host else ""
    return f"{url.get_backend_name()}://{address}/{url.database or ''}"


def _parsed(url: str, origin: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (ArgumentError, ValueError):
        raise SourceError(
            f"{origin} is no database URL; write dialect://user:password@host:port/database"
        ) from None

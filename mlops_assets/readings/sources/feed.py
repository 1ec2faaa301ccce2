"""Keeps a PostgreSQL table filled by a simulator, as a logger in the field would: appending, never twice, no gaps.

Comes in: a database, a table name, a simulator. Goes out: the number of rows added. It writes to nothing but the
table it made itself; readings that a model trains on are fetched by `sql` like anybody else's.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from mlops_assets.errors import SourceError
from mlops_assets.readings.sources.databases import display_url, open_database
from mlops_assets.simulators import KEYS, SIMULATORS

_STEP: Final = timedelta(days=30)
_COLUMN_TYPES: Final[dict[type[pl.DataType], str]] = {
    pl.String: "text",
    pl.Float64: "double precision",
    pl.Int16: "smallint",
    pl.Int32: "integer",
    pl.Int64: "bigint",
    pl.Boolean: "boolean",
    pl.Date: "date",
    pl.Datetime: "timestamptz",
}


def catch_up(
    database: str | sa.Engine,
    table: str,
    simulator: str,
    *,
    until: datetime,
    days: float = 30,
    seed: int = 42,
    params: dict[str, Any] | None = None,
) -> int:
    """Add a simulator's rows to a table up to an instant, without gaps and without doubles.

    A unique key, `ON CONFLICT DO NOTHING` and an advisory lock make it exact however many processes feed at once.

    Args:
        database: URL or engine of a PostgreSQL database.
        table: Name of the table, which is created where it does not exist.
        simulator: Name of the simulator.
        until: The instant of the last row.
        days: How many days before `until` the table must reach back.
        seed: Seed of the simulator.
        params: Further parameters of the simulator.

    Returns:
        How many rows were added.

    Raises:
        SourceError: The database cannot be reached, or is not PostgreSQL.
    """
    if until.tzinfo is None:
        raise ValueError("until needs a time zone")
    engine = open_database(database, "the readings database") if isinstance(database, str) else database
    if engine.dialect.name != "postgresql" or engine.dialect.driver != "psycopg2":
        raise SourceError(
            f"simulated rows are written to PostgreSQL only, not to {engine.dialect.name}; remove source.simulate"
        )
    try:
        with engine.begin() as connection:
            return _append(connection, table, simulator, until.astimezone(UTC), days, seed, params or {})
    except DBAPIError as error:
        raise SourceError(
            f"feeding table {table} at {display_url(engine.url)}: {str(error.orig).strip()}"
        ) from None
    finally:
        if isinstance(database, str):
            engine.dispose()


def _append(
    connection: sa.Connection,
    table: str,
    simulator: str,
    until: datetime,
    days: float,
    seed: int,
    params: dict[str, Any],
) -> int:
    quote = connection.dialect.identifier_preparer.quote
    name, time = quote(table), quote(KEYS[simulator][0])
    simulate = SIMULATORS[simulator]
    tick = timedelta(microseconds=1)
    connection.execute(
        sa.text("SELECT pg_advisory_xact_lock(hashtext(:table))"), {"table": f"mlops_assets.feed.{table}"}
    )
    _create(connection, name, simulator, simulate(until, until + tick, seed=seed, **params).schema)
    first, last = connection.execute(sa.text(f"SELECT min({time}), max({time}) FROM {name}")).one()  # noqa: S608, quoted
    backfill_start = until - timedelta(days=days) + tick
    spans = (
        [(backfill_start, until + tick)]
        if first is None
        else [(backfill_start, first), (last + tick, until + tick)]
    )
    added = 0
    for start, end in spans:
        while start < end:
            stop = min(start + _STEP, end)
            added += _copy(connection, name, simulate(start, stop, seed=seed, **params))
            start = stop
    if added:
        connection.exec_driver_sql(f"ANALYZE {name}")
    return added


def _create(connection: sa.Connection, name: str, simulator: str, schema: pl.Schema) -> None:
    quote = connection.dialect.identifier_preparer.quote
    columns = ", ".join(
        f"{quote(column)} {_COLUMN_TYPES[kind.base_type()]}" for column, kind in schema.items()
    )
    key = ", ".join(quote(column) for column in KEYS[simulator])
    connection.exec_driver_sql(f"CREATE TABLE IF NOT EXISTS {name} ({columns}, PRIMARY KEY ({key}))")


def _copy(connection: sa.Connection, name: str, rows: pl.DataFrame) -> int:
    """One chunk through a temporary table, so that a row that is already there is skipped."""
    if rows.is_empty():
        return 0
    text = io.StringIO(rows.write_csv(include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f+00"))
    connection.exec_driver_sql(f"CREATE TEMPORARY TABLE feed_chunk (LIKE {name}) ON COMMIT DROP")
    connection.connection.cursor().copy_expert("COPY feed_chunk FROM STDIN WITH (FORMAT csv)", text)
    added = connection.exec_driver_sql(
        f"INSERT INTO {name} SELECT * FROM feed_chunk ON CONFLICT DO NOTHING"  # noqa: S608, quoted
    ).rowcount
    connection.exec_driver_sql("DROP TABLE feed_chunk")
    return int(added)

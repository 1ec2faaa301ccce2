"""Readings from a SQL database: a table or one SELECT, cut to the window by the database itself.

Comes in: a `sql` source. Goes out: rows in the order of time. Everything runs in one read-only transaction where the
database has those. PostgreSQL streams its rows as CSV (COPY), which is several times faster than fetching tuples.
"""

from __future__ import annotations

import io
from datetime import date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source import SqlSource
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.cleaning.types import EXACT_IN_FLOAT
from mlops_assets.readings.request import Fetched, Request
from mlops_assets.readings.sources.databases import display_url, open_database, readings_url

_POSTGRES_TYPES: Final[dict[int, type[pl.DataType]]] = {
    20: pl.Int64,
    21: pl.Int16,
    23: pl.Int32,
    700: pl.Float32,
    701: pl.Float64,
}
_POSTGRES_BOOLEAN: Final = 16
_POSTGRES_NUMERIC: Final = 1700
_POSTGRES_TIMES: Final = {1082: "%Y-%m-%d", 1114: "%Y-%m-%d %H:%M:%S%.f", 1184: "%Y-%m-%d %H:%M:%S%.f%#z"}
_CLOCK_MARGIN: Final = timedelta(hours=3)


def read_sql(source: SqlSource, request: Request) -> Fetched:
    """Read the rows of the window.

    Args:
        source: Table or query, and the variable with the URL.
        request: The window.

    Returns:
        The readings with their origin.

    Raises:
        SourceError: The database, the table or the query fails.
        MissingExtraError: The database's driver is not installed.
    """
    url, url_origin = _address(source, request)
    engine = open_database(url, url_origin)
    what = f"table {source.table}" if source.table else "query"
    where = f"sql {what} at {display_url(engine.url)}"
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "postgresql":
                connection = connection.execution_options(postgresql_readonly=True)
                connection.exec_driver_sql("SET LOCAL TIME ZONE 'UTC'")
            statement = _statement(source, request, connection, where)
            frame = _copy(connection, statement) if _can_copy(engine) else _fetch(connection, statement)
    except DBAPIError as error:
        raise SourceError(
            f"model {request.model!r}: {where}: {_reason(error)}{_hint(error, engine, source)}"
        ) from None
    except SQLAlchemyError as error:
        raise SourceError(f"model {request.model!r}: {where}: {error}") from None
    finally:
        engine.dispose()
    return Fetched(frame, where)


def _address(source: SqlSource, request: Request) -> tuple[str, str]:
    if source.url_env is None:
        url = readings_url(request.settings)
        if url is None:
            raise SourceError(
                f"model {request.model!r}: there is no readings database; start the local one with 'mlops up', "
                "set MLOPS_READINGS_URL, or name a variable with source.url_env"
            )
        return url, "MLOPS_READINGS_URL"
    url = request.settings.environ.get(source.url_env)
    if not url:
        raise SourceError(
            f"model {request.model!r}: the environment variable {source.url_env} (source.url_env) is not set"
        )
    return url, source.url_env


def _statement(source: SqlSource, request: Request, connection: sa.Connection, where: str) -> sa.Select[Any]:
    origin: sa.FromClause
    if source.table is not None:
        schema, _, name = source.table.rpartition(".")
        origin = sa.table(name, schema=schema or None)
    else:
        query = (
            str(source.query).strip().rstrip(";").replace(":", r"\:")
        )  # no bind parameters: a colon is a colon
        origin = sa.text(query).columns().subquery("readings")
    rows: sa.Select[Any] = sa.select(sa.literal_column("*")).select_from(origin)
    if request.timestamp is None:
        return rows
    columns = list(connection.execute(rows.limit(0)).keys())
    if request.timestamp not in columns:
        raise SourceError(
            f"model {request.model!r}: {where} has no column {request.timestamp!r} (named in timestamp)"
            + did_you_mean(request.timestamp, columns)
        )
    time: sa.ColumnElement[Any] = sa.column(request.timestamp)
    first = connection.execute(sa.select(time).select_from(origin).where(time.is_not(None)).limit(1)).scalar()
    low, high = _bounds(first, request)
    if high is not None:
        rows = rows.where(time <= high)
    if low is not None:
        rows = rows.where(time > low)
    return rows.order_by(time) if isinstance(first, date) else rows


def _bounds(first: object, request: Request) -> tuple[Any, Any]:
    """Limits in the type the column has. Text and numbers are cut after reading; times get a margin for the zone."""
    if isinstance(first, datetime) and first.tzinfo is not None:
        return request.start, request.as_of
    if not isinstance(first, date):
        return None, None
    zone = ZoneInfo(request.zone)
    margin = _CLOCK_MARGIN if request.zone != "UTC" else timedelta()
    low = (request.start - margin).astimezone(zone).replace(tzinfo=None) if request.start else None
    high = (request.as_of + margin).astimezone(zone).replace(tzinfo=None)
    if isinstance(first, datetime):
        return low, high
    return (low.date() - timedelta(days=1) if low else None), high.date()


def _can_copy(engine: sa.Engine) -> bool:
    return engine.dialect.name == "postgresql" and engine.dialect.driver == "psycopg2"


def _copy(connection: sa.Connection, statement: sa.Select[Any]) -> pl.DataFrame:
    compiled = statement.compile(connection.engine)
    cursor = connection.connection.cursor()
    query = cursor.mogrify(str(compiled), compiled.params).decode()
    buffer = io.BytesIO()
    try:
        cursor.execute(f"SELECT * FROM ({query}) AS probe LIMIT 0")  # noqa: S608, compiled by SQLAlchemy
        described = [(column.name, column.type_code) for column in cursor.description]  # type: ignore[attr-defined]
        names = _unrepeated([name for name, _ in described])
        cursor.copy_expert(f"COPY ({query}) TO STDOUT WITH (FORMAT csv)", buffer)
    except (
        connection.engine.dialect.loaded_dbapi.Error
    ) as error:  # the driver's own, as SQLAlchemy would wrap it
        raise DBAPIError(query, None, error) from None
    codes = dict(zip(names, (code for _, code in described), strict=True))
    types = {name: _POSTGRES_TYPES.get(code, pl.String) for name, code in codes.items()}
    if not buffer.tell():
        frame = pl.DataFrame(schema=types)
    else:
        frame = pl.read_csv(
            buffer.getvalue(),
            has_header=False,
            new_columns=names,
            schema_overrides=list(types.values()),
            infer_schema=False,
        )
    frame = frame.with_columns(
        (pl.col(name) == "t").alias(name) for name in names if codes[name] == _POSTGRES_BOOLEAN
    ).with_columns(_decimals(frame[name]) for name in names if codes[name] == _POSTGRES_NUMERIC)
    return frame.with_columns(
        pl.col(name).str.to_datetime(form, time_unit="us", time_zone="UTC" if codes[name] == 1184 else None)
        for name in names
        if (form := _POSTGRES_TIMES.get(codes[name])) and form != "%Y-%m-%d"
    ).with_columns(pl.col(name).str.to_date() for name in names if codes[name] == 1082)


def _decimals(column: pl.Series) -> pl.Series:
    """NUMERIC as floats; ids that a float cannot hold exactly stay whole numbers."""
    floats = column.cast(pl.Float64, strict=False)
    large = (floats.abs() >= EXACT_IN_FLOAT).any()
    if large and column.drop_nulls().str.contains(r"^-?\d{1,38}$").all():
        return column.cast(pl.Int128)
    return floats


def _fetch(connection: sa.Connection, statement: sa.Select[Any]) -> pl.DataFrame:
    result = connection.execute(statement)
    names = _unrepeated(list(result.keys()))
    return pl.DataFrame(
        [tuple(row) for row in result.all()], schema=names, orient="row", infer_schema_length=None
    )


def _unrepeated(names: list[str]) -> list[str]:
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise SourceError(f"the query gives the column {repeated[0]!r} twice; give one of them another name")
    return names


def _reason(error: DBAPIError) -> str:
    return next(iter(str(error.orig).strip().splitlines()), type(error.orig).__name__)


def _hint(error: DBAPIError, engine: sa.Engine, source: SqlSource) -> str:
    """Names of tables that do exist, when the named one does not."""
    if source.table is None or error.connection_invalidated:
        return ""
    schema, _, name = source.table.rpartition(".")
    try:
        inspector = sa.inspect(engine)
        tables = [*inspector.get_table_names(schema or None), *inspector.get_view_names(schema or None)]
    except SQLAlchemyError:
        return ""
    return "" if name in tables else did_you_mean(name, tables)

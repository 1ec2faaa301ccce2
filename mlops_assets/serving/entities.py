"""Rows that name an entity only: its newest stored reading takes their place, with the lags and windows before it.

Comes in: the records of a request. Goes out: complete records, and the instants of the stored readings. Readings are
stored for models that look back; the champion follows them as they arrive.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.serving.payload import Row, Value, shorten

if TYPE_CHECKING:
    from mlops_assets.serving.served import Served

MOST_NAMED = 10


def with_newest_readings(served: Served, rows: Sequence[Row]) -> tuple[list[Row], list[str | None] | None]:
    """Return the records of a request with the newest reading in place of each `{entity: key}`.

    Args:
        served: The champion.
        rows: Records of the request.

    Returns:
        Complete records, and per row the instant of the stored reading, None for a row that was sent; None in place of
        the instants where no row names an entity only.

    Raises:
        DataError: There is no stored reading of an entity.
    """
    entity = served.spec.entity
    if entity is None or not any(len(row) == 1 and entity in row for row in rows):
        return rows if isinstance(rows, list) else list(rows), None
    complete: list[Row] = []
    instants: list[str | None] = []
    for number, row in enumerate(rows, start=1):
        if len(row) == 1 and entity in row:
            reading = _newest(served, number, row[entity])
            complete.append(reading)
            instants.append(str(reading[str(served.spec.timestamp)]))
        else:
            complete.append(row)
            instants.append(None)
    return complete, instants


def _newest(served: Served, number: int, key: Value) -> Row:
    spec, recent = served.spec, served.history.recent
    if spec.timestamp is None or spec.entity not in recent.columns:
        raise DataError(
            f"row {number}: readings are stored only for models with lags or windows; send "
            f"{shorten(', '.join(served.columns.needed), 300, quote=False)}"
        )
    own = recent.filter(pl.col(str(spec.entity)).cast(pl.String) == str(key)).sort(spec.timestamp)
    if not own.height:
        names = recent[str(spec.entity)].unique().sort().cast(pl.String).head(MOST_NAMED).to_list()
        raise DataError(
            f"row {number}: there is no stored reading of {spec.entity} {shorten(key)}; there are some of "
            f"{shorten(', '.join(names), 300, quote=False)}"
        )
    reading = own.row(-1, named=True)
    return {name: _plain(reading[name]) for name in served.columns.needed if name in reading}


def _plain(value: object) -> Value:
    """Return a stored value as a caller would send it."""
    if isinstance(value, datetime):
        return value.isoformat()
    return value if isinstance(value, str | int | float | bool) or value is None else str(value)

"""The same features for readings that have just arrived: recent history in front, then `build`, then the new rows only.

Comes in: readings kept from the last batch, and new ones. Goes out: feature rows in the order of the new readings,
equal to what `build` would give them in the whole table.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.features import building, columns
from mlops_assets.features.kinds import FEATURE_KINDS, LookBack
from mlops_assets.model_file import ModelSpec

_ROW: Final = "__row"


def recent(spec: ModelSpec, readings: pl.DataFrame) -> pl.DataFrame:
    """Return the readings that features of later rows may read.

    Per entity these are the longest window before its newest reading, that reading, and the most steps back before it;
    none where features read their own row alone.

    Args:
        spec: The model file.
        readings: Readings in any order.

    Returns:
        The subset, sorted by entity, then time.
    """
    if spec.timestamp is None or spec.timestamp not in readings.columns:
        return readings.clear()
    reach = look_back(spec)
    if reach == LookBack():
        return readings.clear()
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    ordered = readings.sort(keys, maintain_order=True)
    newest = pl.col(spec.timestamp).max()
    from_end = pl.len() - pl.int_range(pl.len())
    if spec.entity is not None:
        newest, from_end = newest.over(spec.entity), from_end.over(spec.entity)
    # A row at the newest instant takes the place of the newest reading, and its steps back begin one reading earlier.
    most = reach.readings + 1
    return ordered.filter((pl.col(spec.timestamp) >= newest - reach.duration) | (from_end <= most))


def online(spec: ModelSpec, recent: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the features of `rows`, in their order.

    Args:
        spec: The model file.
        recent: Earlier readings, as `recent` selects them. A reading that is in `rows` too is taken from there.
        rows: New readings. Timestamps may be ISO 8601 text; the target may be absent unless it is forecast from itself.

    Returns:
        One row per row of `rows`, as `build` would give.

    Raises:
        DataError: As `build`, or a timestamp is no instant.
    """
    columns.require(spec, rows.columns, target=spec.problem == "forecasting")
    new = _typed(spec, rows, recent).with_columns(pl.int_range(pl.len()).alias(_ROW))
    if spec.target not in new.columns:
        kind = recent.schema.get(spec.target, pl.Float64())
        new = new.with_columns(pl.lit(None, dtype=kind).alias(spec.target))
    whole = new
    if recent.height:
        keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
        before = recent
        if spec.entity is not None:
            before = before.filter(pl.col(spec.entity).is_in(new[spec.entity].unique().implode()))
        before = before.join(new, on=keys, how="anti")
        names = [name for name in new.columns if name in before.columns]
        whole = pl.concat([before.select(names), new], how="diagonal_relaxed")
    table = building.build_with(spec, whole, (_ROW,))
    return table.filter(pl.col(_ROW).is_not_null()).sort(_ROW).drop(_ROW)


def look_back(spec: ModelSpec) -> LookBack:
    """Return how far before a row its features read: the maximum over all kinds.

    Args:
        spec: The model file.

    Returns:
        A duration and a number of readings.
    """
    reaches = [kind.look_back(spec) for kind in FEATURE_KINDS.values()]
    return LookBack(max(reach.duration for reach in reaches), max(reach.readings for reach in reaches))


def _typed(spec: ModelSpec, rows: pl.DataFrame, recent: pl.DataFrame) -> pl.DataFrame:
    """Keys as the history has them, whatever a caller's JSON made of them."""
    casts: list[pl.Expr] = []
    if spec.timestamp is not None:
        kind = rows.schema[spec.timestamp]
        instant = pl.col(spec.timestamp)
        if kind == pl.String:
            parsed: Any = rows[spec.timestamp].str.to_datetime(
                "%+", time_unit="us", time_zone="UTC", strict=False
            )
            if parsed.null_count():
                first = rows[spec.timestamp].filter(parsed.is_null())[0]
                raise DataError(
                    f"{spec.timestamp!r}: {first!r} is not an instant such as 2026-01-31T08:00:00Z"
                )
            instant = pl.lit(parsed)
        elif isinstance(kind, pl.Datetime):
            instant = instant if kind.time_zone else instant.dt.replace_time_zone("UTC")
        wanted = recent.schema.get(spec.timestamp, building.UTC_TIME)
        casts.append(instant.cast(wanted).alias(spec.timestamp))
    if spec.entity is not None:
        casts.append(pl.col(spec.entity).cast(recent.schema.get(spec.entity, pl.String())))
    return rows.with_columns(casts)

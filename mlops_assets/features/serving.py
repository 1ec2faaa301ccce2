"""The same features for readings that have just arrived: recent history in front, then `build`, then the new rows only.

Comes in: readings kept from the last batch, and new ones. Goes out: feature rows in the order of the new readings,
equal to what `build` would give them in the whole table.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.features import building, columns
from mlops_assets.model_file import ModelSpec

_ASKED: Final = "__asked"


def recent(spec: ModelSpec, readings: pl.DataFrame) -> pl.DataFrame:
    """The readings that features of later rows may look back at: per entity, the longest window before its newest
    reading and the most steps back; nothing where features look at their own row alone."""
    if spec.timestamp is None or spec.timestamp not in readings.columns:
        return readings.clear()
    length, steps = _reach(spec)
    if length == timedelta(0) and steps == 0:
        return readings.clear()
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    ordered = readings.sort(keys, maintain_order=True)
    newest = pl.col(spec.timestamp).max()
    from_end = pl.len() - pl.int_range(pl.len())
    if spec.entity is not None:
        newest, from_end = newest.over(spec.entity), from_end.over(spec.entity)
    return ordered.filter((pl.col(spec.timestamp) >= newest - length) | (from_end <= steps))


def online(spec: ModelSpec, recent: pl.DataFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Features of `rows`, in their order. A reading that is in `recent` too is taken from `rows`.

    Timestamps may be ISO 8601 text; the target may be absent, unless it is forecast from itself. Raises
    DataError as `build` does.
    """
    columns.require(spec, rows.columns, target=spec.problem == "forecasting")
    asked = _typed(spec, rows, recent).with_columns(pl.int_range(pl.len()).alias(_ASKED))
    if spec.target not in asked.columns:
        kind = recent.schema.get(spec.target, pl.Float64())
        asked = asked.with_columns(pl.lit(None, dtype=kind).alias(spec.target))
    whole = asked
    if recent.height:
        keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
        before = recent
        if spec.entity is not None:
            before = before.filter(pl.col(spec.entity).is_in(asked[spec.entity].unique().implode()))
        before = before.join(asked, on=keys, how="anti")
        names = [name for name in asked.columns if name in before.columns]
        whole = pl.concat([before.select(names), asked], how="diagonal_relaxed")
    built = building.built(spec, whole, (_ASKED,))
    return built.filter(pl.col(_ASKED).is_not_null()).sort(_ASKED).drop(_ASKED)


def _reach(spec: ModelSpec) -> tuple[timedelta, int]:
    """How far back features look: time, and readings."""
    features = spec.features
    steps = [*(features.lags.steps if features.lags else ()), 0]
    if features.differences is not None:
        steps += [step + 1 for step in features.differences.steps]
    lengths = list(features.rolling.windows if features.rolling else (timedelta(0),))
    if features.history is not None:
        lengths.append(features.history.every * features.history.steps)
    return max(lengths), max(steps)


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

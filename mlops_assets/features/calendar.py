"""What a timestamp alone says: hour, weekday, season, holiday, in the model file's time zone.

Comes in: a column of instants (UTC). Goes out: expressions and columns of numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date
from typing import Final

import polars as pl

from mlops_assets.model_file.features import CalendarPart, CyclicalPart, FeaturesSpec

PARTS: Final[dict[CalendarPart, Callable[[pl.Expr], pl.Expr]]] = {
    "hour": lambda local: local.dt.hour(),
    "minute_of_day": lambda local: local.dt.hour().cast(pl.Int16) * 60 + local.dt.minute(),
    "day_of_week": lambda local: local.dt.weekday() - 1,
    "day_of_month": lambda local: local.dt.day(),
    "day_of_year": lambda local: local.dt.ordinal_day(),
    "week": lambda local: local.dt.week(),
    "month": lambda local: local.dt.month(),
    "quarter": lambda local: local.dt.quarter(),
    "year": lambda local: local.dt.year(),
    "weekend": lambda local: local.dt.weekday() >= 6,
}
"""Monday is day 0. Hours are those of the clock on the wall: on the day a summer time ends one comes twice."""

PERIODS: Final[dict[CyclicalPart, float]] = {
    "hour": 24.0,
    "minute_of_day": 1_440.0,
    "day_of_week": 7.0,
    "month": 12.0,
    "day_of_year": 365.25,
}


def calendar(features: FeaturesSpec, timestamp: str) -> Iterator[pl.Expr]:
    """One named Float64 expression per calendar and cyclical column, in the order of their names."""
    local = pl.col(timestamp).dt.convert_time_zone(features.timezone)
    for part in features.calendar:
        yield PARTS[part](local).cast(pl.Float64).alias(f"{timestamp}_{part}")
    for turning in features.cyclical:
        angle = PARTS[turning](local).cast(pl.Float64) * (2 * math.pi / PERIODS[turning])
        yield angle.sin().alias(f"{timestamp}_{turning}_sin")
        yield angle.cos().alias(f"{timestamp}_{turning}_cos")


def holiday(features: FeaturesSpec, timestamp: str, times: pl.Series) -> pl.Series:
    """1.0 on public holidays of `features.holidays`, local date, else 0.0."""
    local = times.dt.convert_time_zone(features.timezone).dt.date()
    days = _holidays(features.holidays or "", local)
    return (
        local.is_in(pl.Series(days, dtype=pl.Date).implode()).cast(pl.Float64).alias(f"{timestamp}_holiday")
    )


def _holidays(place: str, days: pl.Series) -> list[date]:
    import holidays

    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return []
    country, _, region = place.partition("-")
    found = holidays.country_holidays(country, subdiv=region or None, years=range(first.year, last.year + 1))
    return sorted(found)

"""Calendar features: hour, weekday, season and holiday, in the time zone of the model file."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, ClassVar, Final

import polars as pl
from typing_extensions import override

from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import CalendarPart, CyclicalPart

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
"""Monday is day 0. Hours are those of a local clock: on the day summer time ends, one occurs twice."""

PERIODS: Final[dict[CyclicalPart, float]] = {
    "hour": 24.0,
    "minute_of_day": 1_440.0,
    "day_of_week": 7.0,
    "month": 12.0,
    "day_of_year": 365.25,
}


class _Clock(FeatureKind):
    """Features of the timestamp alone."""

    from_clock = True

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return nothing: a row's own timestamp is enough."""
        return LookBack()

    def _feature(self, spec: ModelSpec, part: str) -> Feature:
        timestamp = spec.timestamp or ""
        description = f"{part.replace('_', ' ')} of {timestamp} in {spec.features.timezone}"
        return Feature(f"{timestamp}_{part}", "calendar", (timestamp,), description)


class Calendar(_Clock):
    """Parts of the local date and time as numbers: `at_hour`, `at_weekend`."""

    example: ClassVar[Any] = ("hour", "day_of_week", "weekend")

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per part of `features.calendar`."""
        for part in spec.features.calendar:
            yield self._feature(spec, part)

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield one Float64 column per part."""
        for part in spec.features.calendar:
            yield PARTS[part](_local(spec)).cast(pl.Float64).alias(f"{spec.timestamp}_{part}")


class Cyclical(_Clock):
    """Parts of the local date and time as sine and cosine: `at_hour_sin`, `at_hour_cos`."""

    example: ClassVar[Any] = ("hour", "day_of_year")

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield two features per part of `features.cyclical`."""
        for part in spec.features.cyclical:
            yield self._feature(spec, f"{part}_sin")
            yield self._feature(spec, f"{part}_cos")

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield sine and cosine of each part."""
        for part in spec.features.cyclical:
            angle = PARTS[part](_local(spec)).cast(pl.Float64) * (2 * math.pi / PERIODS[part])
            yield angle.sin().alias(f"{spec.timestamp}_{part}_sin")
            yield angle.cos().alias(f"{spec.timestamp}_{part}_cos")


class Holidays(_Clock):
    """1.0 on public holidays of `features.holidays` by local date, else 0.0: `at_holiday`."""

    example: ClassVar[Any] = "DE-BY"

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield the one feature, where a country is set."""
        if spec.features.holidays:
            yield self._feature(spec, "holiday")

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Series]:
        """Yield the flag for each row."""
        if not spec.features.holidays or spec.timestamp is None:
            return
        local = rows.frame[spec.timestamp].dt.convert_time_zone(spec.features.timezone).dt.date()
        days = pl.Series(_holidays(spec.features.holidays, local), dtype=pl.Date)
        yield local.is_in(days.implode()).cast(pl.Float64).alias(f"{spec.timestamp}_holiday")


def _local(spec: ModelSpec) -> pl.Expr:
    return pl.col(spec.timestamp or "").dt.convert_time_zone(spec.features.timezone)


def _holidays(region: str, days: pl.Series) -> list[date]:
    import holidays

    first, last = days.min(), days.max()
    if not isinstance(first, date) or not isinstance(last, date):
        return []
    country, _, subdivision = region.partition("-")
    years = range(first.year, last.year + 1)
    return sorted(holidays.country_holidays(country, subdiv=subdivision or None, years=years))

"""Earlier values of the same entity, counted in readings or days: lags, differences, and a forecast's target now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from typing import Any, ClassVar

import numpy as np
import polars as pl
from typing_extensions import override

from mlops_assets.features.clock import DAY, LARGEST_CHANGE, clock_line
from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows, hidden
from mlops_assets.features.windows import Line
from mlops_assets.matching import MICROSECOND, NO_MATCH, below_half, nearest
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import now_column


class TargetNow(FeatureKind):
    """For forecasting, the target at the reading itself: `sales_now`."""

    example: ClassVar[Any] = "3h"

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield the one feature, where `features.horizon` is set."""
        if spec.features.horizon is not None:
            description = f"{spec.target} at the reading itself"
            yield Feature(now_column(spec.target), "lags", (spec.target,), description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return nothing: the value is the row's own."""
        return LookBack()

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield the target under its other name."""
        if spec.features.horizon is not None:
            yield pl.col(spec.target).alias(now_column(spec.target))


class Lags(FeatureKind):
    """The value some readings earlier, `flow_lag_3`, or at the same time of an earlier day, `flow_lag_7d`."""

    example: ClassVar[Any] = {"columns": ("a", "y"), "steps": (1, 4)}

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per column and step, then one per column and day."""
        lags = spec.features.lags
        if lags is None:
            return
        for column, step in product(lags.columns, lags.steps):
            yield Feature(f"{column}_lag_{step}", "lags", (column,), f"{column}, {step} readings earlier")
        for column, days in product(lags.columns, lags.days):
            description = f"{column}, {days} days earlier by the clock in {spec.features.timezone}"
            yield Feature(f"{column}_lag_{days}d", "lags", (column,), description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return the longest step, and the farthest day with as much as the clock may be set."""
        lags = spec.features.lags
        if lags is None:
            return LookBack()
        reach = timedelta(0)
        if lags.days:
            reach = max(lags.days) * DAY + _tolerance(spec) * MICROSECOND + LARGEST_CHANGE
        return LookBack(duration=reach, readings=max(lags.steps, default=0))

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr | pl.Series]:
        """Yield each column shifted within its entity, and matched to the same time of earlier days."""
        lags = spec.features.lags
        if lags is None:
            return
        line = rows.require_line("lags")
        position = _position(line)
        for column, step in product(lags.columns, lags.steps):
            yield _earlier(column, step, position).alias(f"{column}_lag_{step}")
        if not lags.days:
            return
        clock = clock_line(line, spec.features.timezone)
        for days in lags.days:
            wanted = clock.times - days * (DAY // MICROSECOND)
            index = pl.Series(
                nearest(clock.times, clock.starts, wanted, _tolerance(spec), until=clock.times - 1)
            )
            for column in lags.columns:
                earlier = rows.frame[column].gather(index.set(index == NO_MATCH, None))
                yield earlier.alias(f"{column}_lag_{days}d")


class Differences(FeatureKind):
    """The change since an earlier reading: `flow_diff_1`; for a hidden target between two earlier readings."""

    example: ClassVar[Any] = {"columns": ("a", "y"), "steps": (1, 3)}

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per column and step."""
        if spec.features.differences is not None:
            for column, step in product(spec.features.differences.columns, spec.features.differences.steps):
                description = f"change of {column} over {step} readings"
                yield Feature(f"{column}_diff_{step}", "lags", (column,), description)

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return the longest step, and one reading more for a hidden target."""
        section = spec.features.differences
        if section is None:
            return LookBack()
        return LookBack(readings=max(section.steps) + any(hidden(spec, column) for column in section.columns))

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield the newest value that may be read minus the value `step` readings before it."""
        if spec.features.differences is None:
            return
        position = _position(rows.require_line("differences"))
        for column, step in product(spec.features.differences.columns, spec.features.differences.steps):
            back = 1 if hidden(spec, column) else 0
            newest = _earlier(column, 1, position) if back else pl.col(column)
            yield (newest - _earlier(column, step + back, position)).alias(f"{column}_diff_{step}")


def _tolerance(spec: ModelSpec) -> int:
    """Return how far from the time wanted on an earlier day a reading may lie, in microseconds."""
    declared = spec.features.tolerance
    return below_half(DAY // MICROSECOND) if declared is None else declared // MICROSECOND


def _position(line: Line) -> pl.Expr:
    """Return the number of earlier readings of the same entity, for each row."""
    return pl.lit(pl.Series(np.arange(len(line.times)) - np.repeat(line.starts[:-1], np.diff(line.starts))))


def _earlier(column: str, step: int, position: pl.Expr) -> pl.Expr:
    return pl.when(position >= step).then(pl.col(column).shift(step))

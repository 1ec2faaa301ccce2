"""Earlier values of the same entity, counted in readings: lags, differences, and the target now of a forecast."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, ClassVar

import numpy as np
import polars as pl
from typing_extensions import override

from mlops_assets.features.kinds.kind import Feature, FeatureKind, LookBack, Rows, hidden
from mlops_assets.features.windows import Line
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
    """The value some readings earlier: `flow_lag_3`."""

    example: ClassVar[Any] = {"columns": ("a", "y"), "steps": (1, 4)}

    @override
    def describe(self, spec: ModelSpec) -> Iterator[Feature]:
        """Yield one feature per column and step."""
        if spec.features.lags is not None:
            for column, step in product(spec.features.lags.columns, spec.features.lags.steps):
                yield Feature(f"{column}_lag_{step}", "lags", (column,), f"{column}, {step} readings earlier")

    @override
    def look_back(self, spec: ModelSpec) -> LookBack:
        """Return the longest step."""
        lags = spec.features.lags
        return LookBack(readings=max(lags.steps)) if lags is not None else LookBack()

    @override
    def build(self, spec: ModelSpec, rows: Rows) -> Iterator[pl.Expr]:
        """Yield each column shifted within its entity."""
        if spec.features.lags is None:
            return
        position = _position(rows.require_line("lags"))
        for column, step in product(spec.features.lags.columns, spec.features.lags.steps):
            yield _earlier(column, step, position).alias(f"{column}_lag_{step}")


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


def _position(line: Line) -> pl.Expr:
    """Return the number of earlier readings of the same entity, for each row."""
    return pl.lit(pl.Series(np.arange(len(line.times)) - np.repeat(line.starts[:-1], np.diff(line.starts))))


def _earlier(column: str, step: int, position: pl.Expr) -> pl.Expr:
    return pl.when(position >= step).then(pl.col(column).shift(step))

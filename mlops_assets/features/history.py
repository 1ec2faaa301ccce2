"""What earlier readings of the same entity say, and what a later one will say: lags, differences, windows, labels.

Comes in: whole entities in the order of entity, then time, and the line they stand on. Goes out: expressions and
columns, named as the model file implies. A row's own target never enters its features; for forecasting it may, because
there a later value is predicted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import product

import numpy as np
import polars as pl

from mlops_assets.features import windows
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import now_column, rolling_column
from mlops_assets.model_file.values import format_duration


def hidden(spec: ModelSpec, name: str) -> bool:
    """Whether a row's own value of this column is what must be predicted from the row."""
    return name == spec.target and spec.problem != "forecasting"


def steps(spec: ModelSpec, on: windows.Line) -> Iterator[pl.Expr]:
    """The target now (for forecasting), lags and differences."""
    features = spec.features
    if features.horizon is not None:
        yield pl.col(spec.target).alias(now_column(spec.target))
    if features.lags is None and features.differences is None:
        return
    position = pl.lit(pl.Series(np.arange(len(on.times)) - np.repeat(on.starts[:-1], np.diff(on.starts))))

    def earlier(name: str, step: int) -> pl.Expr:
        return pl.when(position >= step).then(pl.col(name).shift(step))

    if features.lags is not None:
        for name, step in product(features.lags.columns, features.lags.steps):
            yield earlier(name, step).alias(f"{name}_lag_{step}")
    if features.differences is not None:
        for name, step in product(features.differences.columns, features.differences.steps):
            back = 1 if hidden(spec, name) else 0
            now = earlier(name, 1) if back else pl.col(name)
            yield (now - earlier(name, step + back)).alias(f"{name}_diff_{step}")


def rolled(spec: ModelSpec, frame: pl.DataFrame, on: windows.Line) -> list[pl.Series | pl.Expr]:
    """Statistics over time windows; those of a hidden target end before the row."""
    rolling = spec.features.rolling
    if rolling is None:
        return []
    values = {name: frame[name].fill_null(float("nan")).to_numpy() for name in rolling.columns}
    made: list[pl.Series | pl.Expr] = []
    for length, apart in product(rolling.windows, (False, True)):
        names = [name for name in rolling.columns if hidden(spec, name) == apart]
        if names and not windows.RUNNING.isdisjoint(rolling.statistics):
            over = windows.window(on, length, including=not apart)
            for name in names:
                for statistic, column in windows.running(over, values[name], rolling.statistics).items():
                    made.append(pl.Series(rolling_column(name, statistic, length), column, nan_to_null=True))
    if "median" in rolling.statistics:
        made += [_median(spec, name, length) for name, length in product(rolling.columns, rolling.windows)]
    return made


def _median(spec: ModelSpec, name: str, length: timedelta) -> pl.Expr:
    """Picked from the window's values, so polars' own way leaves no trace of earlier ones either."""
    assert spec.timestamp is not None
    rolled = pl.col(name).rolling_median_by(
        spec.timestamp, window_size=format_duration(length), closed="left" if hidden(spec, name) else "right"
    )
    return (rolled.over(spec.entity) if spec.entity else rolled).alias(rolling_column(name, "median", length))


def pairs(spec: ModelSpec) -> Iterator[pl.Expr]:
    """Ratios and products of two columns of the same row; missing where the result is not finite."""
    for above, below in spec.features.ratios:
        yield _finite(pl.col(above) / pl.col(below)).alias(f"{above}_per_{below}")
    for one, other in spec.features.interactions:
        yield _finite(pl.col(one) * pl.col(other)).alias(f"{one}_times_{other}")


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)


def label(spec: ModelSpec, ordered: pl.DataFrame) -> list[pl.Series]:
    """For forecasting, the target at exactly t + horizon of the same entity."""
    horizon = spec.features.horizon
    if spec.problem != "forecasting" or horizon is None or spec.timestamp is None:
        return []
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    later = ordered.select(*keys[:-1], pl.col(spec.timestamp) - horizon, spec.target).unique(
        keys, keep="last", maintain_order=True
    )
    joined = ordered.select(keys).join(later, on=keys, how="left", maintain_order="left")
    return [joined[spec.target]]

"""From usable readings to the feature table: one row per reading, keys and target first, then features by name.

Comes in: the model file and a frame. Goes out: a frame whose values depend on a row and on earlier readings of the same
entity only; the target of a row never enters its features. Filling, scaling and encoding are `preparation`'s
business, because they are learned from the training part.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.features import calendar, columns, windows
from mlops_assets.spec import ModelSpec
from mlops_assets.spec.features import now_column, rolling_column, source_columns
from mlops_assets.spec.values import format_duration

UTC_TIME: Final = pl.Datetime("us", "UTC")
_ROW: Final = "__position_in_entity"
_INPUT: Final = "__input__"


def build(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """The feature table, in the order of entity, then time (unchanged where neither is declared).

    Columns: timestamp, entity, target, columns that slices, fairness and the split need, then features as
    `feature_names` gives them; numbers and booleans as floats of `features.precision`, text as text. For forecasting
    the target column holds the value at t + horizon of the same entity, null where no reading lies exactly there;
    the value at t is the feature `<target>_now`.

    Raises DataError for a missing column, a name taken twice, and for columns that cannot become numbers.
    """
    columns.require(spec, frame.columns, target=True)
    return built(spec, frame, ())


def built(spec: ModelSpec, frame: pl.DataFrame, carried: Sequence[str]) -> pl.DataFrame:
    """`build`, with further columns that travel along untouched."""
    if (spec.features.horizon is not None) != (spec.problem == "forecasting"):
        raise DataError(f"{spec.name}: 'features.horizon' belongs to 'problem: forecasting', and only there")
    if taken := sorted(set(columns.computed(spec)) & set(frame.columns)):
        raise DataError(
            f"{spec.name}: the readings already have a column {taken[0]!r}, which features would compute"
        )
    inputs = columns.inputs(spec, [name for name in frame.columns if name not in carried])
    passengers = columns.passengers(spec, frame.columns)
    ordered = _in_order(spec, _numbers(spec, frame, inputs))
    with_calendar = _calendar(spec, ordered)
    with_history = with_calendar.with_columns(_history(spec)).with_columns(_windows(spec, ordered))
    whole = with_history.with_columns(_pairs(spec)).with_columns(_label(spec, ordered))
    apart = {*passengers, *carried}
    features = (*(name for name in inputs if name not in apart), *columns.computed(spec))
    small = pl.Float32 if spec.features.precision == "float32" else pl.Float64
    return whole.select(
        *passengers,
        *carried,
        *(pl.col(name).cast(small) if whole.schema[name].is_numeric() else pl.col(name) for name in features),
    )


def _numbers(spec: ModelSpec, frame: pl.DataFrame, inputs: Sequence[str]) -> pl.DataFrame:
    """Columns as features need them: finite floats or text; time as UTC microseconds."""
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None]
    refused: list[str] = []
    casts: list[pl.Expr] = []
    for name in dict.fromkeys(
        [*inputs, *columns.passengers(spec, frame.columns), *source_columns(spec.features)]
    ):
        kind = frame.schema[name]
        if name == spec.timestamp:
            casts.append(_instant(spec, name, kind))
        elif name in keys:
            casts.append(pl.col(name).cast(pl.String))
        elif name == spec.target and spec.problem == "classification":
            continue
        elif kind.is_numeric() or kind in (pl.Boolean, pl.Null):
            value = pl.col(name).cast(pl.Float64)
            casts.append(pl.when(value.is_finite()).then(value).alias(name))
        elif kind in (pl.String, pl.Categorical, pl.Enum):
            if name in columns.arithmetic(spec):
                raise DataError(f"{spec.name}: column {name!r} holds text, and features compute with it")
            casts.append(pl.col(name).cast(pl.String))
        elif name in inputs:
            refused.append(f"{name!r} ({kind})")
    if refused:
        raise DataError(
            f"{spec.name}: no number or text can be made of {', '.join(refused)}; list them under features.exclude"
        )
    return frame.with_columns(casts)


def _instant(spec: ModelSpec, name: str, kind: pl.DataType) -> pl.Expr:
    if isinstance(kind, pl.Datetime):
        zoned = pl.col(name) if kind.time_zone else pl.col(name).dt.replace_time_zone("UTC")
        return zoned.cast(UTC_TIME)
    if kind == pl.Date:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    raise DataError(f"{spec.name}: the timestamp {name!r} is {kind}, expected a date or a time")


def _in_order(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    if not keys:
        return frame.with_columns(pl.int_range(pl.len()).alias(_ROW))
    for key in keys:
        if missing := frame[key].null_count():
            raise DataError(f"{spec.name}: {missing} rows have no {key!r}; validation sets such rows aside")
    ordered = frame.sort(keys, maintain_order=True)
    position = pl.int_range(pl.len())
    if spec.entity is not None:
        # Counted from the first row of each run: the frame is sorted, so a run is an entity.
        starts = windows.line(np.zeros(ordered.height, dtype=np.int64), ordered[spec.entity]).starts
        begins = np.repeat(starts[:-1], np.diff(starts))
        return ordered.with_columns(pl.Series(_ROW, np.arange(ordered.height) - begins))
    return ordered.with_columns(position.alias(_ROW))


def _calendar(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    if spec.timestamp is None:
        return frame
    added: list[pl.Expr | pl.Series] = list(calendar.calendar(spec.features, spec.timestamp))
    if spec.features.holidays:
        added.append(calendar.holiday(spec.features, spec.timestamp, frame[spec.timestamp]))
    return frame.with_columns(added)


def _earlier(name: str, step: int) -> pl.Expr:
    """The value `step` readings ago, of the same entity."""
    return pl.when(pl.col(_ROW) >= step).then(pl.col(name).shift(step))


def _hidden(spec: ModelSpec, name: str) -> bool:
    """Whether a row's own value of this column is what must be predicted from the row."""
    return name == spec.target and spec.problem != "forecasting"


def _history(spec: ModelSpec) -> Iterator[pl.Expr]:
    features = spec.features
    if features.horizon is not None:
        yield pl.col(spec.target).alias(now_column(spec.target))
    if features.lags is not None:
        for name in features.lags.columns:
            yield from (_earlier(name, step).alias(f"{name}_lag_{step}") for step in features.lags.steps)
    if features.differences is not None:
        for name in features.differences.columns:
            now = _earlier(name, 1) if _hidden(spec, name) else pl.col(name)
            back = 1 if _hidden(spec, name) else 0
            yield from (
                (now - _earlier(name, step + back)).alias(f"{name}_diff_{step}")
                for step in features.differences.steps
            )


def _windows(spec: ModelSpec, ordered: pl.DataFrame) -> list[pl.Series | pl.Expr]:
    rolling = spec.features.rolling
    if rolling is None or spec.timestamp is None:
        return []
    times = ordered[spec.timestamp].dt.epoch("us").to_numpy()
    on = windows.line(times, ordered[spec.entity] if spec.entity else None)
    made: list[pl.Series | pl.Expr] = []
    for length in rolling.windows:
        over: dict[bool, windows.Window] = {}
        for name in rolling.columns:
            including = not _hidden(spec, name)
            if not windows.RUNNING.isdisjoint(rolling.statistics):
                if including not in over:
                    over[including] = windows.window(on, length, including=including)
                values = ordered[name].fill_null(float("nan")).to_numpy()
                for statistic, found in windows.running(over[including], values, rolling.statistics).items():
                    made.append(pl.Series(rolling_column(name, statistic, length), found).fill_nan(None))
            made += [
                _picked(spec, name, statistic, length, including)
                for statistic in rolling.statistics
                if statistic not in windows.RUNNING
            ]
    return made


def _picked(spec: ModelSpec, name: str, statistic: str, length: timedelta, including: bool) -> pl.Expr:
    """min, max and median, which are values of the window (or lie halfway between two of them)."""
    column = pl.col(name)
    ways = {"min": column.rolling_min_by, "max": column.rolling_max_by, "median": column.rolling_median_by}
    assert spec.timestamp is not None
    rolled = ways[statistic](
        spec.timestamp, window_size=format_duration(length), closed="right" if including else "left"
    )
    return (rolled.over(spec.entity) if spec.entity else rolled).alias(
        rolling_column(name, statistic, length)
    )


def _pairs(spec: ModelSpec) -> Iterator[pl.Expr]:
    for above, below in spec.features.ratios:
        yield _finite(pl.col(above) / pl.col(below)).alias(f"{above}_per_{below}")
    for one, other in spec.features.interactions:
        yield _finite(pl.col(one) * pl.col(other)).alias(f"{one}_times_{other}")


def _finite(value: pl.Expr) -> pl.Expr:
    return pl.when(value.is_finite()).then(value)


def _label(spec: ModelSpec, ordered: pl.DataFrame) -> list[pl.Series]:
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

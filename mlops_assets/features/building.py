"""From usable readings to the feature table: one row per reading, keys and target first, then features by name.

Comes in: the model file and a frame. Goes out: a frame whose values depend on a row and on earlier readings of the same
entity only; the target of a row never enters its features. Filling, scaling and encoding are `preparation`'s
business, because they are learned from the training part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from mlops_assets import matching
from mlops_assets.errors import DataError
from mlops_assets.features import columns, windows
from mlops_assets.features.kinds import FEATURE_KINDS, Rows
from mlops_assets.features.tolerance import label_rows, label_tolerance
from mlops_assets.model_file import ModelSpec

UTC_TIME: Final = pl.Datetime("us", "UTC")


def build(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """Return the feature table, sorted by entity, then time (in the order of the frame where neither is declared).

    Columns: timestamp, entity, target, columns that slices, fairness and the split need, the grid of
    `features.history` (no feature: only sequence algorithms see it), then features as
    `feature_names` gives them; numbers and booleans as floats of `features.precision`, text as text. For forecasting
    the target column holds the value at t + horizon of the same entity, null where no reading lies within
    `features.tolerance` of it;
    the value at t is the feature `<target>_now`.

    Args:
        spec: The model file.
        frame: Validated readings, any order of rows.

    Returns:
        The feature table.

    Raises:
        DataError: A column is missing, a name exists twice, or a column cannot become numbers.
    """
    columns.require(spec, frame.columns, target=True)
    return build_with(spec, frame, ())


def build_with(spec: ModelSpec, frame: pl.DataFrame, extra: Sequence[str]) -> pl.DataFrame:
    """Return the feature table as `build` does, with extra columns passed through unchanged.

    Args:
        spec: The model file.
        frame: Validated readings, any order of rows.
        extra: Names of columns of `frame` to pass through; no feature reads them.

    Returns:
        The feature table.

    Raises:
        DataError: As `build`, and when `features.horizon` and `problem` do not match.
    """
    if (spec.features.horizon is not None) != (spec.problem == "forecasting"):
        raise DataError(f"{spec.name}: 'features.horizon' belongs to 'problem: forecasting', and only there")
    computed = columns.computed_names(spec)
    if duplicates := sorted(set(computed) & set(frame.columns)):
        raise DataError(
            f"{spec.name}: the readings already have a column {duplicates[0]!r}, which features would compute"
        )
    readings = [name for name in frame.columns if name not in extra]
    inputs = columns.inputs(spec, readings)
    passthrough = columns.passthrough(spec, readings)
    ordered = _in_order(spec, _numbers(spec, frame, inputs, passthrough))
    first = dict.fromkeys([*passthrough, *columns.computed_names(spec, "grid"), *extra])
    features = dict.fromkeys([*inputs, *computed])
    names = [*first, *(name for name in features if name not in first)]
    if spec.timestamp is None:
        return _select(spec, _compute(spec, Rows(ordered, None), 0), names, features)
    # Whole entities at a time keep the working memory small, whatever the size of the table.
    line = windows.line(
        ordered[spec.timestamp].dt.epoch("us").to_numpy(), ordered[spec.entity] if spec.entity else None
    )
    tolerance = label_tolerance(spec, line)
    parts = [
        _select(spec, _compute(spec, Rows(ordered[rows], part), tolerance), names, features)
        for rows, part in windows.pieces(line)
    ]
    return pl.concat(parts, rechunk=False)


def _compute(spec: ModelSpec, rows: Rows, tolerance: int) -> pl.DataFrame:
    """Whole entities with every computed column, and for forecasting with the label in place of the target."""
    added = [column for kind in FEATURE_KINDS.values() for column in kind.build(spec, rows)]
    table = rows.frame.with_columns(added)
    return table.with_columns(label(spec, rows, tolerance)) if spec.problem == "forecasting" else table


def label(spec: ModelSpec, rows: Rows, tolerance: int) -> list[pl.Series]:
    """Return, for forecasting, the target of the same entity's reading at t + horizon, or the nearest to it.

    Args:
        spec: The model file.
        rows: Readings sorted by entity, then time.
        tolerance: How far from t + horizon the reading may lie, in microseconds.

    Returns:
        One series of the length of `rows`, null where no reading lies there; empty for other problems.
    """
    horizon = spec.features.horizon
    if spec.problem != "forecasting" or horizon is None or rows.line is None:
        return []
    index = pl.Series(label_rows(rows.line, horizon, tolerance))
    return [rows.frame[spec.target].gather(index.set(index == matching.NO_MATCH, None)).alias(spec.target)]


def _select(
    spec: ModelSpec, frame: pl.DataFrame, names: Sequence[str], features: Collection[str]
) -> pl.DataFrame:
    """Return the named columns, features in the precision of the model file."""
    dtype = pl.Float32() if spec.features.precision == "float32" else pl.Float64()
    schema = frame.schema
    casts = {name for name in features if schema[name].is_float() and schema[name] != dtype}
    return frame.select(pl.col(name).cast(dtype) if name in casts else pl.col(name) for name in names)


def _in_order(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    for key in keys:
        if missing := frame[key].null_count():
            raise DataError(f"{spec.name}: {missing} rows have no {key!r}; validation quarantines such rows")
    return frame.sort(keys, maintain_order=True) if keys else frame


def _numbers(
    spec: ModelSpec, frame: pl.DataFrame, inputs: Sequence[str], passthrough: Sequence[str]
) -> pl.DataFrame:
    """Columns as features need them: finite floats or text; time as UTC microseconds."""
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None]
    refused: list[str] = []
    casts: list[pl.Expr] = []
    schema = frame.schema
    arithmetic, input_names = columns.arithmetic(spec), set(inputs)
    for name in dict.fromkeys([*inputs, *passthrough, *columns.source_names(spec)]):
        dtype = schema[name]
        if name == spec.timestamp:
            casts.append(_instant(spec, name, dtype))
        elif name in keys:
            casts.append(pl.col(name).cast(pl.String))
        elif name == spec.target and spec.problem == "classification":
            continue
        elif dtype.is_numeric() or dtype in (pl.Boolean, pl.Null):
            value = pl.col(name).cast(pl.Float64)
            casts.append(pl.when(value.is_finite()).then(value).alias(name))
        elif dtype in (pl.String, pl.Categorical, pl.Enum):
            if name in arithmetic:
                raise DataError(f"{spec.name}: column {name!r} holds text, and features compute with it")
            casts.append(pl.col(name).cast(pl.String))
        elif name in input_names:
            refused.append(f"{name!r} ({dtype})")
    if refused:
        raise DataError(
            f"{spec.name}: no number or text can be made of {', '.join(refused)}; list them under features.exclude"
        )
    return frame.with_columns(casts)


def _instant(spec: ModelSpec, name: str, dtype: pl.DataType) -> pl.Expr:
    if isinstance(dtype, pl.Datetime):
        zoned = pl.col(name) if dtype.time_zone else pl.col(name).dt.replace_time_zone("UTC")
        return zoned.cast(UTC_TIME)
    if dtype == pl.Date:
        return pl.col(name).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    raise DataError(f"{spec.name}: the timestamp {name!r} is {dtype}, expected a date or a time")

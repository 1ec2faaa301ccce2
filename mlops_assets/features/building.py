"""From usable readings to the feature table: one row per reading, keys and target first, then features by name.

Comes in: the model file and a frame. Goes out: a frame whose values depend on a row and on earlier readings of the same
entity only; the target of a row never enters its features. Filling, scaling and encoding are `preparation`'s
business, because they are learned from the training part.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

import polars as pl

from mlops_assets.errors import DataError
from mlops_assets.features import calendar, columns, history, past, windows
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import past_columns, source_columns

UTC_TIME: Final = pl.Datetime("us", "UTC")


def build(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    """The feature table, in the order of entity, then time (unchanged where neither is declared).

    Columns: timestamp, entity, target, columns that slices, fairness and the split need, the grid of
    `features.history` (no feature: only sequence algorithms see it), then features as
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
    ordered = _in_order(spec, _numbers(spec, frame, inputs))
    first = dict.fromkeys(
        [*columns.passengers(spec, frame.columns), *past_columns(spec.features, spec.target), *carried]
    )
    names = dict.fromkeys([*inputs, *columns.computed(spec)])
    wanted = [*first, *(name for name in names if name not in first)]
    if spec.timestamp is None:
        return _stored(spec, ordered.with_columns(history.pairs(spec)), wanted, names)
    # Whole entities at a time: what is computed along the way stays small, whatever the size of the table.
    on = windows.line(
        ordered[spec.timestamp].dt.epoch("us").to_numpy(), ordered[spec.entity] if spec.entity else None
    )
    pieces = [
        _stored(spec, _piece(spec, ordered[rows], piece), wanted, names) for rows, piece in windows.pieces(on)
    ]
    return pl.concat(pieces, rechunk=False)


def _piece(spec: ModelSpec, frame: pl.DataFrame, on: windows.Line) -> pl.DataFrame:
    """Some whole entities with every computed column, and for forecasting with the label in place of the target."""
    assert spec.timestamp is not None
    added: list[pl.Expr | pl.Series] = list(calendar.calendar(spec.features, spec.timestamp))
    if spec.features.holidays:
        added.append(calendar.holiday(spec.features, spec.timestamp, frame[spec.timestamp]))
    added += history.steps(spec, on)
    added += history.rolled(spec, frame, on)
    added += past.grid(spec, frame, on)
    whole = frame.with_columns(added).with_columns(history.pairs(spec))
    return whole.with_columns(history.label(spec, frame)) if spec.problem == "forecasting" else whole


def _stored(
    spec: ModelSpec, frame: pl.DataFrame, wanted: Sequence[str], features: Collection[str]
) -> pl.DataFrame:
    """The wanted columns, features in the precision asked for."""
    kind = pl.Float32() if spec.features.precision == "float32" else pl.Float64()
    schema = frame.schema
    casts = {name for name in features if schema[name].is_float() and schema[name] != kind}
    return frame.select(pl.col(name).cast(kind) if name in casts else pl.col(name) for name in wanted)


def _in_order(spec: ModelSpec, frame: pl.DataFrame) -> pl.DataFrame:
    keys = [name for name in (spec.entity, spec.timestamp) if name is not None]
    for key in keys:
        if missing := frame[key].null_count():
            raise DataError(f"{spec.name}: {missing} rows have no {key!r}; validation sets such rows aside")
    return frame.sort(keys, maintain_order=True) if keys else frame


def _numbers(spec: ModelSpec, frame: pl.DataFrame, inputs: Sequence[str]) -> pl.DataFrame:
    """Columns as features need them: finite floats or text; time as UTC microseconds."""
    keys = [name for name in (spec.timestamp, spec.entity) if name is not None]
    refused: list[str] = []
    casts: list[pl.Expr] = []
    schema = frame.schema
    for name in dict.fromkeys(
        [*inputs, *columns.passengers(spec, frame.columns), *source_columns(spec.features)]
    ):
        kind = schema[name]
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

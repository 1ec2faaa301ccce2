"""Records to a typed frame: each value checked for what its column is, and read as training reads it.

Comes in: records with plain JSON values, and the columns of a served model. Goes out: a frame for
`features.online`, or a DataError that names row and column. No value is turned into a missing one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import polars as pl

from mlops_assets.errors import DataError, MlopsError
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.repairs import RepairsSpec
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.readings.cleaning.timestamps import to_instants
from mlops_assets.serving.payload import LONGEST_INTEGER, Row, Value, shorten

LARGEST: Final = 3.4028235e38
"""The largest number of single precision, in which several algorithms compute."""
_TOO_LONG: Final = 10**LONGEST_INTEGER
UTC_TIME: Final = pl.Datetime("us", "UTC")


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a request: what the model needs, and what else its training data had.

    needed: in the order in which a matrix without names is read. text: those of the needed columns that are text.
    ignored: columns that a reading may have but the model does not look at. entity_type: as stored with the history.
    """

    needed: tuple[str, ...]
    text: frozenset[str]
    ignored: frozenset[str]
    entity_type: pl.DataType

    def as_text(self, spec: ModelSpec) -> frozenset[str]:
        """Return the needed columns that a caller writes as text: categories, the timestamp and a text entity.

        Args:
            spec: The model file, which names the keys.

        Returns:
            Names of columns.
        """
        keys = {spec.timestamp} if self.entity_type.is_integer() else {spec.timestamp, spec.entity}
        return frozenset(name for name in self.needed if name in self.text or name in keys)


def frame(spec: ModelSpec, columns: Columns, rows: Sequence[Row]) -> pl.DataFrame:
    """Return the needed columns, typed.

    Args:
        spec: The model file.
        columns: Names of the columns that are needed and known.
        rows: Records of the request.

    Returns:
        One row per record.

    Raises:
        DataError: A column is unknown or missing, or a value is not one of its column.
    """
    _check_names(columns, rows)
    series = []
    for name in columns.needed:
        values = [row.get(name) for row in rows]
        if all(name not in row for row in rows):
            continue  # the model may do without it (a target); `features.online` says when it cannot
        if name == spec.timestamp:
            series.append(_instants(name, values, spec.repairs))
        elif name == spec.entity:
            series.append(_entities(name, values, columns.entity_type))
        elif name in columns.text:
            texts = [_text(number, name, value) for number, value in enumerate(values, start=1)]
            series.append(pl.Series(name, texts, dtype=pl.String))
        else:
            numbers = [_number(number, name, value) for number, value in enumerate(values, start=1)]
            series.append(pl.Series(name, numbers, dtype=pl.Float64))
    return pl.DataFrame(series)


def instants(spec: ModelSpec, rows: Sequence[Row]) -> list[datetime] | None:
    """Return the instant of each row, or None for a model without a timestamp.

    Args:
        spec: The model file.
        rows: The records of a request.

    Returns:
        Instants in UTC, or None.

    Raises:
        DataError: A value is no instant.
    """
    name = spec.timestamp
    if name is None:
        return None
    return _instants(name, [row.get(name) for row in rows], spec.repairs).to_list()


def _check_names(columns: Columns, rows: Sequence[Row]) -> None:
    allowed = columns.ignored.union(columns.needed)
    for number, row in enumerate(rows, start=1):
        if not row.keys() <= allowed:
            unknown = next(name for name in row if name not in allowed)
            raise DataError(
                f"row {number}: the model has no column {shorten(unknown)}{did_you_mean(unknown, allowed)}; "
                f"it reads {shorten(', '.join(columns.needed), 300, quote=False)}"
            )


def _number(number: int, name: str, value: Value) -> float | None:
    if value is None:
        return None
    if isinstance(value, str):
        raise DataError(f"row {number}, column {name!r}: {shorten(value)} is not a number")
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"row {number}, column {name!r}: the value is not a finite number")
    if isinstance(value, int) and abs(value) >= _TOO_LONG:
        raise DataError(f"row {number}, column {name!r}: the value is not a finite number")
    if abs(value) > LARGEST:
        raise DataError(f"row {number}, column {name!r}: the value is larger than {LARGEST:.3g}")
    return float(value)


def _text(number: int, name: str, value: Value) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and not math.isfinite(value):
        raise DataError(f"row {number}, column {name!r}: the value is not a finite number")
    if isinstance(value, int) and abs(value) >= _TOO_LONG:
        raise DataError(f"row {number}, column {name!r}: the value is not a finite number")
    if not isinstance(value, str):
        # as a column of that type reads in training
        return str(pl.Series([value]).cast(pl.String)[0])
    try:
        value.encode()
    except UnicodeEncodeError:
        raise DataError(f"row {number}, column {name!r}: the text is not valid Unicode") from None
    return value


def _entities(name: str, values: Sequence[Value], dtype: pl.DataType) -> pl.Series:
    entities: list[str | int] = []
    for number, value in enumerate(values, start=1):
        if value is None or isinstance(value, float):
            raise DataError(f"row {number}, column {name!r}: an entity is text or a whole number")
        if dtype.is_integer():
            try:
                entities.append(int(pl.Series([int(value)], dtype=dtype)[0]))
            except (ValueError, TypeError, OverflowError, pl.exceptions.PolarsError):
                raise DataError(
                    f"row {number}, column {name!r}: {shorten(value)} is not an entity of the training data, "
                    "which are whole numbers"
                ) from None
        else:
            entities.append(str(_text(number, name, value)))
    return pl.Series(name, entities, dtype=dtype)


def _instants(name: str, values: Sequence[Value], repairs: RepairsSpec) -> pl.Series:
    """Read instants as training reads them; with a declared format, ISO 8601 text too."""
    instants = None
    if all(isinstance(value, str) for value in values) or all(type(value) is int for value in values):
        instants = _read(pl.Series(name, [_text_or_number(value) for value in values]), repairs)
    if instants is not None and not instants.null_count():
        return instants
    return pl.Series(
        name,
        [_instant(number, name, value, repairs) for number, value in enumerate(values, start=1)],
        dtype=UTC_TIME,
    )


def _read(column: pl.Series, repairs: RepairsSpec) -> pl.Series | None:
    try:
        return to_instants(column, repairs, "the request")[0].cast(UTC_TIME)
    except (MlopsError, pl.exceptions.PolarsError, OverflowError):
        return None


def _text_or_number(value: Value) -> str | int | float | None:
    if isinstance(value, str):
        return value if value.isprintable() else ""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if type(value) is int and abs(value) < 2**63 else None


def _instant(number: int, name: str, value: Value, repairs: RepairsSpec) -> object:
    """Read one instant, or say why it cannot be read."""
    where = f"row {number}, column {name!r}"
    readable = _text_or_number(value)
    declared = repairs.timestamp_unit or repairs.timestamp_format
    if readable is None or (isinstance(readable, float) and not declared):
        raise DataError(f"{where}: {shorten(value)} is not an instant such as 2026-01-31T08:00:00Z")
    column = pl.Series(name, [readable])
    iso = repairs.model_copy(update={"timestamp_format": None})
    for reading in (repairs, iso) if isinstance(readable, str) else (repairs,):
        instant = _read(column, reading)
        if instant is not None and instant[0] is not None:
            return instant[0]
    try:
        to_instants(column, repairs, where)
    except MlopsError as error:
        raise DataError(str(error)) from None
    except (pl.exceptions.PolarsError, OverflowError):
        pass
    raise DataError(f"{where}: {shorten(value)} is not an instant such as 2026-01-31T08:00:00Z")

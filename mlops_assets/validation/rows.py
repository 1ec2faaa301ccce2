"""The rules about single rows, as polars expressions that are true where a row breaks the rule.

Comes in: a rule and what is known of the batch. Goes out: an expression, or a sentence why it cannot be checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import polars as pl

from mlops_assets.model_file import ModelSpec
from mlops_assets.validation.rules import Rule
from mlops_assets.validation.types import kind_of


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch before its values are read: model file, frame, time of the run, columns used and their misfits."""

    spec: ModelSpec
    frame: pl.DataFrame
    as_of: datetime
    used: tuple[str, ...]
    misfits: Mapping[str, str]
    schema: Mapping[str, pl.DataType] = field(init=False)
    """The frame's, kept: polars builds its schema at each call, which made thousands of columns take minutes."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "schema", self.frame.schema)

    def why_not(self, *columns: str | None) -> str | None:
        """Return why a rule over these columns cannot be checked.

        Args:
            *columns: Names of the columns; None is skipped.

        Returns:
            A sentence about the first column that is missing or has a wrong type, or None.
        """
        for column in columns:
            if column is not None and column not in self.schema:
                return f"{column!r} is not in the data"
            if column is not None and column in self.misfits:
                return self.misfits[column]
        return None

    @property
    def keys(self) -> tuple[str, ...]:
        """Return entity and timestamp, as far as the model file names them."""
        return tuple(name for name in (self.spec.entity, self.spec.timestamp) if name is not None)


def present(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the column with NaN as null, so that there is one form of missing.

    Args:
        name: Name of the column.
        dtype: Polars type of the column.

    Returns:
        An expression.
    """
    return pl.col(name).fill_nan(None) if dtype.is_float() else pl.col(name)


def instant(name: str, dtype: pl.DataType) -> pl.Expr:
    """Return the column as UTC microseconds; times without a zone are UTC.

    Args:
        name: Name of the column.
        dtype: Polars type of the column.

    Returns:
        An expression of type Datetime('us', 'UTC').
    """
    column = pl.col(name).cast(pl.Datetime("us", getattr(dtype, "time_zone", None)))
    if getattr(dtype, "time_zone", None) is None:
        return column.dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC")


def broken(rule: Rule, batch: Batch) -> pl.Expr | str:
    """Return which rows break the rule.

    Args:
        rule: The rule.
        batch: Readings with the facts that several rules share.

    Returns:
        A boolean expression without nulls, or a sentence why the rule cannot be checked.
    """
    if rule.column is None:
        check = _OVER_ROWS[rule.kind](batch)
    elif reason := batch.why_not(rule.column):
        return reason
    else:
        column = present(rule.column, batch.schema[rule.column])
        check = _OVER_ONE_COLUMN[rule.kind](batch, rule.column, column)
    return check if isinstance(check, str) else check.fill_null(value=False)


def columns_of(rule: Rule, batch: Batch, positions: pl.Series) -> tuple[str, ...]:
    """Return the columns to show for rows that break the rule: keys and the columns at fault.

    Args:
        rule: The rule.
        batch: Readings with the facts that several rules share.
        positions: Indices of the rows.

    Returns:
        Names without repetition.
    """
    at_fault = [rule.column] if rule.column else []
    if rule.kind == "finite":
        some = batch.frame[positions]
        at_fault = [name for name in floats(batch) if some[name].is_infinite().any()]
    return tuple(dict.fromkeys(n for n in (*batch.keys, *at_fault) if n in batch.schema))


def floats(batch: Batch) -> tuple[str, ...]:
    """Return the used columns that can contain infinity or NaN.

    Args:
        batch: Readings with the facts that several rules share.

    Returns:
        Names of columns.
    """
    return tuple(name for name in batch.used if batch.schema[name].is_float())


def _finite(batch: Batch) -> pl.Expr | str:
    return pl.any_horizontal([pl.lit(value=False), *(pl.col(name).is_infinite() for name in floats(batch))])


def _keys_present(batch: Batch) -> pl.Expr | str:
    keys = batch.keys
    return batch.why_not(*keys) or pl.any_horizontal(present(n, batch.schema[n]).is_null() for n in keys)


def _time_not_future(batch: Batch) -> pl.Expr | str:
    name = batch.spec.timestamp
    assert name is not None
    return batch.why_not(name) or instant(name, batch.schema[name]) > batch.as_of


def _unique_rows(batch: Batch) -> pl.Expr | str:
    keys = batch.keys
    complete = pl.all_horizontal(pl.col(name).is_not_null() for name in keys)
    return batch.why_not(*keys) or pl.struct(keys).is_first_distinct().not_() & complete


def _required(batch: Batch, name: str, column: pl.Expr) -> pl.Expr | str:  # noqa: ARG001
    return column.is_null()


def _range(batch: Batch, name: str, column: pl.Expr) -> pl.Expr | str:
    declared = batch.spec.validation.columns[name]
    sides = []
    if declared.min is not None:
        sides.append(column < declared.min)
    if declared.max is not None:
        sides.append(column > declared.max)
    return pl.any_horizontal(sides)


def _values(batch: Batch, name: str, column: pl.Expr) -> pl.Expr | str:
    """Values of another kind than the column never match: the text '1' is not the number 1."""
    declared, dtype = batch.spec.validation.columns[name], batch.schema[name]
    kind = kind_of(dtype)
    allowed = [value for value in declared.values or () if comparable(value, kind)]
    if isinstance(dtype, pl.Null):
        return column.is_not_null()
    if not allowed:
        return f"{name!r} holds {dtype}, the allowed values are of another kind"
    if kind in ("number", "integer"):
        return column.cast(pl.Float64).is_in([float(value) for value in allowed]).not_()
    return (column.cast(pl.String) if kind == "text" else column).is_in(allowed).not_()


def _pattern(batch: Batch, name: str, column: pl.Expr) -> pl.Expr | str:
    declared = batch.spec.validation.columns[name]
    return column.cast(pl.String).str.contains(rf"\A(?:{declared.pattern})\z").not_()


def _unique(batch: Batch, name: str, column: pl.Expr) -> pl.Expr | str:  # noqa: ARG001
    return column.is_first_distinct().not_() & column.is_not_null()


def comparable(value: str | float | bool, kind: str | None) -> bool:
    """Return whether a value of the model file can equal a value of a column of this type.

    Args:
        value: A value of the model file.
        kind: Type of the column, as `kind_of`.

    Returns:
        False for None.
    """
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, str):
        return kind == "text"
    return kind in ("number", "integer")


_OVER_ROWS: Final[Mapping[str, Callable[[Batch], pl.Expr | str]]] = {
    "finite": _finite,
    "keys_present": _keys_present,
    "time_not_future": _time_not_future,
    "unique_rows": _unique_rows,
}
_OVER_ONE_COLUMN: Final[Mapping[str, Callable[[Batch, str, pl.Expr], pl.Expr | str]]] = {
    "required": _required,
    "range": _range,
    "values": _values,
    "pattern": _pattern,
    "unique": _unique,
}

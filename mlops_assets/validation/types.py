"""Which kind of value a column must hold, from what the model file does with it, and whether it does.

Comes in: a model file and a frame's schema. Goes out: a sentence for every column whose type does not fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, Literal

import polars as pl

from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import number_columns
from mlops_assets.validation.rules import used_columns

Kind = Literal["number", "integer", "text", "boolean", "timestamp"]

_WORDS: Final[dict[Kind, str]] = {
    "number": "numbers",
    "integer": "whole numbers",
    "text": "text",
    "boolean": "true or false",
    "timestamp": "points in time",
}


def kind_of(dtype: pl.DataType) -> Kind | None:
    """Return the type of a column in the words of the model file.

    Args:
        dtype: Polars type of the column.

    Returns:
        `integer`, `number`, `text`, `boolean`, `timestamp`; None for nested and other types that no rule
        understands.
    """
    if dtype.is_integer():
        return "integer"
    if dtype.is_numeric():
        return "number"
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum):
        return "text"
    if dtype == pl.Boolean:
        return "boolean"
    if isinstance(dtype, pl.Datetime | pl.Date):
        return "timestamp"
    return None


def wanted_kinds(spec: ModelSpec) -> Iterator[tuple[str, Kind, str]]:
    """Yield the types that the model file demands; one column may occur several times.

    Args:
        spec: The model file.

    Yields:
        (column, type, reason).
    """
    if spec.timestamp is not None:
        yield spec.timestamp, "timestamp", "it is the timestamp"
    if spec.problem != "classification":
        yield spec.target, "number", f"it is the target of a {spec.problem}"
    for key, column in number_columns(spec.features):
        yield column, "number", f"features.{key} computes with it"
    for column, declared in spec.validation.columns.items():
        if declared.type is not None:
            yield column, declared.type, "validation.columns says so"
        if declared.min is not None or declared.max is not None:
            yield column, "number", "validation.columns limits its range"
        if declared.pattern is not None:
            yield column, "text", "validation.columns gives a pattern"
        if declared.values is not None:
            kinds: set[Kind] = {value_kind(value) for value in declared.values}
            if len(kinds) == 1:
                yield column, kinds.pop(), "validation.columns lists its values"


def value_kind(value: str | int | float | bool) -> Kind:
    """Return the type of a value of the model file; an integer is a number.

    Args:
        value: The value.

    Returns:
        `boolean`, `text` or `number`.
    """
    return "boolean" if isinstance(value, bool) else "text" if isinstance(value, str) else "number"


def misfits(spec: ModelSpec, schema: Mapping[str, pl.DataType]) -> dict[str, str]:
    """Return the columns whose values have a wrong type.

    A number column may contain integers; 'integer' accepts a float column here, because the rows decide. A
    column without any value has every type: another rule reports that it is empty.

    Args:
        spec: The model file.
        schema: Polars type by column.

    Returns:
        Sentence by column.
    """
    result: dict[str, str] = {}
    for column, kind, why in wanted_kinds(spec):
        if column in schema and column not in result and not _fits(schema[column], kind):
            result[column] = f"{column!r} holds {schema[column]}, not {_WORDS[kind]} ({why})"
    for column in used_columns(spec, schema):
        if (
            column not in result
            and kind_of(schema[column]) is None
            and not isinstance(schema[column], pl.Null)
        ):
            result[column] = (
                f"{column!r} holds {schema[column]}, which no model can use; make plain columns of it in the source, "
                "or list it under features.exclude"
            )
    return result


def _fits(dtype: pl.DataType, kind: Kind) -> bool:
    kept = kind_of(dtype)
    if isinstance(dtype, pl.Null) or kept == kind:
        return True
    if kind == "number":
        return kept == "integer"
    return kind == "integer" and dtype.is_float()

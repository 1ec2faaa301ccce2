"""Records of nested values (JSON objects, documents, messages) to a frame with plain columns.

Nested objects become `outer.inner`; lists become their JSON text. A column whose values are of one kind keeps it, whole
numbers among fractions become numbers, any other mixture becomes text: nothing is lost and the mixture shows.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl

from mlops_assets.errors import SourceError
from mlops_assets.model_file.source_parameters import Limits
from mlops_assets.readings.formats.size import OBJECT_COST, check_size


def to_frame(records: Iterable[Any], where: str, limits: Limits) -> pl.DataFrame:
    """Return one row per record, columns in the order of their first appearance.

    Args:
        records: Mappings from names to values.
        where: The source, for error messages.
        limits: Sizes from which the records are refused.

    Returns:
        The readings; a missing key is null.

    Raises:
        SourceError: A record is no object, names a column twice, or a limit is exceeded.
    """
    flat: list[dict[str, Any]] = []
    names: dict[str, None] = {}
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            raise SourceError(
                f"{where}: record {number} is {type(record).__name__}, not an object with named values"
            )
        row: dict[str, Any] = {}
        for name, value in _flatten(record, "", limits.depth, f"{where}, record {number}"):
            if name in row:
                raise SourceError(f"{where}, record {number} has two values for {name!r}; rename one of them")
            row[name] = value
        flat.append(row)
        names.update(dict.fromkeys(row))
        check_size(OBJECT_COST * number, len(names), limits, where)
    return pl.DataFrame([_column(name, [record.get(name) for record in flat]) for name in names])


def _flatten(record: Mapping[str, Any], prefix: str, depth: int, where: str) -> Iterable[tuple[str, Any]]:
    if not depth:
        raise SourceError(f"{where} is nested too deeply; raise source.limits.depth if that is right")
    for key, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.", depth - 1, where)
        else:
            yield f"{prefix}{key}", value


def _column(name: str, values: list[Any]) -> pl.Series:
    kinds = {type(value) for value in values if value is not None}
    if not kinds:
        return pl.Series(name, values, dtype=pl.Null)
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        if all(value is None or -(2**63) <= value < 2**63 for value in values):
            return pl.Series(name, values, dtype=pl.Int64)
        if all(value is None or abs(value) < 10**38 for value in values):
            return pl.Series(name, values, dtype=pl.Int128)  # which the cleaning steps keep as text, counted
        return pl.Series(name, [_text(value) for value in values], dtype=pl.String)
    if kinds <= {int, float, Decimal}:
        return pl.Series(
            name, [None if value is None else float(value) for value in values], dtype=pl.Float64
        )
    if kinds == {datetime}:
        aware = any(value is not None and value.tzinfo is not None for value in values)
        moments = [
            value.astimezone(UTC) if aware and value is not None and value.tzinfo else value
            for value in values
        ]
        return pl.Series(name, moments, dtype=pl.Datetime("us", "UTC" if aware else None))
    if kinds == {date}:
        return pl.Series(name, values, dtype=pl.Date)
    return pl.Series(name, [_text(value) for value in values], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list | dict | bool):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)

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


def to_frame(records: Iterable[Any], where: str) -> pl.DataFrame:
    """One row per record, columns in the order they first appear. Raises SourceError on a record that is no object."""
    flat: list[dict[str, Any]] = []
    for number, record in enumerate(records, start=1):
        if not isinstance(record, Mapping):
            raise SourceError(
                f"{where}: record {number} is {type(record).__name__}, not an object with named values"
            )
        flat.append(dict(_flatten(record, "")))
    names = list(dict.fromkeys(name for record in flat for name in record))
    return pl.DataFrame([_column(name, [record.get(name) for record in flat]) for name in names])


def _flatten(record: Mapping[str, Any], prefix: str) -> Iterable[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, Mapping) and value:
            yield from _flatten(value, f"{prefix}{key}.")
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

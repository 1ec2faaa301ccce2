"""Stored records as JSON and back, and the hash of a JSON body."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any, Final, TypeVar

from pydantic import TypeAdapter

R = TypeVar("R")

_ADAPTERS: Final[dict[type[Any], TypeAdapter[Any]]] = {}


def _adapter(record: type[Any]) -> TypeAdapter[Any]:
    if record not in _ADAPTERS:
        _ADAPTERS[record] = TypeAdapter(record)
    return _ADAPTERS[record]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def to_json(record: Any) -> dict[str, Any]:
    """Return a stored record as plain JSON values; NaN and infinities become the strings NaN, Infinity, -Infinity.

    Args:
        record: A frozen dataclass of this package.

    Returns:
        JSON values.
    """
    encoded: dict[str, Any] = _finite(_adapter(type(record)).dump_python(record, mode="json"))
    return encoded


def from_json(record: type[R], body: Mapping[str, Any]) -> R:
    """Return the record of a JSON body.

    Args:
        record: Class of the record.
        body: JSON values that `to_json` returned.

    Returns:
        The record.

    Raises:
        pydantic.ValidationError: If the body is not such a record.
    """
    decoded: R = _adapter(record).validate_json(json.dumps(dict(body)))
    return decoded


def digest(body: Mapping[str, Any]) -> str:
    """Return the sha256 of the canonical JSON form: sorted keys, no spaces, UTF-8, no NaN.

    Args:
        body: JSON values without NaN and infinity.

    Returns:
        64 hexadecimal digits.
    """
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()

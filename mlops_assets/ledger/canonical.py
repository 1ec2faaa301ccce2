"""One way to write a record down, so that equal records have equal bytes and one hash.

Comes in: dictionaries of plain values. Goes out: canonical JSON text, its sha256, and the way back.
What a record must contain is decided by the package that creates it.

The text is ASCII JSON with sorted keys and no spaces. JSON has no NaN and no infinities, and a record of a
refused model must be able to say that its metric was NaN: they are written as `{"$number": "NaN"}`,
`"Infinity"` or `"-Infinity"` and come back as floats. A record may therefore not use the key `$number`
itself. Everything that is not a string, int, float, bool, None, list, tuple or a dictionary with string keys
is refused with its path, so that a timestamp or a numpy scalar cannot slip in and come back as something
else.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from mlops_assets.errors import EvidenceError

NUMBER_KEY = "$number"
NAMES_OF_NON_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


def canonical_text(record: Mapping[str, Any]) -> str:
    """Return the one text of this record: sorted keys, no spaces, ASCII, non-finite numbers tagged.

    Args:
        record: Text, integers, floats, booleans, None, lists and dictionaries with text keys.

    Returns:
        JSON text; equal records have equal texts.

    Raises:
        EvidenceError: With the path of a value that cannot be written.
    """
    return json.dumps(
        encode(record, "record"), sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False
    )


def digest(text: str) -> str:
    """Return the sha256 of a canonical text.

    Args:
        text: ASCII text of `canonical_text`.

    Returns:
        64 lower-case hexadecimal digits.
    """
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def parse(text: str) -> dict[str, Any]:
    """Return the record of a canonical text.

    Args:
        text: JSON text that `canonical_text` wrote.

    Returns:
        The record, non-finite numbers as floats.

    Raises:
        EvidenceError: When the text is not a JSON object.
    """
    record = json.loads(text, object_hook=_decode_object)
    if not isinstance(record, dict):
        raise EvidenceError(f"a stored record is a {type(record).__name__}, expected a JSON object")
    return record


def encode(value: Any, path: str) -> Any:
    """Convert a value to plain JSON values.

    Args:
        value: Any value of a record.
        path: Where the value is in the record ('record.metrics.rmse'), for the error text.

    Returns:
        The value; NaN and infinity as a tagged object.

    Raises:
        EvidenceError: When the value's type has no JSON form, or a key is not text.
    """
    if value is None or isinstance(value, bool) or type(value) is int:
        return value
    if isinstance(value, str):
        return _storable(value, path)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {NUMBER_KEY: _name_of(value)}
    if isinstance(value, (list, tuple)):
        return [encode(item, f"{path}[{index}]") for index, item in enumerate(value)]
    if isinstance(value, Mapping):
        return {_key(key, path): encode(item, f"{path}.{key}") for key, item in value.items()}
    raise EvidenceError(
        f"{path} is a {type(value).__name__}; a record holds only text, numbers, true, false, null, lists and "
        "dictionaries: convert it first (a time with .isoformat(), a numpy number with .item())"
    )


def _storable(value: str, path: str) -> str:
    """PostgreSQL holds neither NUL nor half of a surrogate pair in its text."""
    if "\x00" in value or any("\ud800" <= char <= "\udfff" for char in value):
        raise EvidenceError(
            f"{path} contains a NUL or half a surrogate pair, which no text may: {value[:40]!r}"
        )
    return str(value)


def _key(key: Any, path: str) -> str:
    if type(key) is not str:
        raise EvidenceError(f"{path} has the key {key!r} of type {type(key).__name__}; keys are text")
    if key == NUMBER_KEY:
        raise EvidenceError(f"{path} uses the key '{NUMBER_KEY}', which stands for NaN and infinities")
    return _storable(key, path)


def _name_of(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def _decode_object(value: dict[str, Any]) -> Any:
    if len(value) == 1 and NUMBER_KEY in value:
        return NAMES_OF_NON_FINITE[value[NUMBER_KEY]]
    return value

"""JSON text to Python values, without the losses that Python's own reader allows: the last of two equal keys wins."""

from __future__ import annotations

import json
from typing import Any


class RepeatedKeyError(ValueError):
    """An object names one key twice."""

    def __init__(self, key: str) -> None:
        """Say which key."""
        super().__init__(f"the key {key!r} stands twice in one object; which value is meant?")


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text.

    Args:
        text: The text, or its bytes.

    Returns:
        JSON values.

    Raises:
        ValueError: The text is no JSON (JSONDecodeError), or an object names a key twice (RepeatedKeyError).
    """
    return json.loads(text, object_pairs_hook=_object)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        keys: set[str] = set()
        raise RepeatedKeyError(next(key for key, _ in pairs if key in keys or keys.add(key)))  # type: ignore[func-returns-value]
    return values

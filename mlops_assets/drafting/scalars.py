"""Values and lists as YAML text that is read back as what it was."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from mlops_assets.model_file.values import format_duration

_PLAIN: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_./ ()-]*[A-Za-z0-9_)]|[A-Za-z_]")
_RESERVED: Final = frozenset({"null", "true", "false", "yes", "no", "on", "off", "y", "n"})


def scalar(value: str | int | float) -> str:
    """Return a value as YAML, quoted where it would be read as something else.

    Args:
        value: A value of the model file.

    Returns:
        Text of a YAML scalar.
    """
    if not isinstance(value, str):
        return (
            str(int(value))
            if isinstance(value, float) and value.is_integer() and abs(value) < 1e15
            else repr(value)
        )
    plain = _PLAIN.fullmatch(value) and value.lower() not in _RESERVED
    return value if plain else json.dumps(value, ensure_ascii=False)


def listed(values: Sequence[str | int | float]) -> str:
    """Return a list on one line.

    Args:
        values: Values of the model file.

    Returns:
        Text of a YAML list.
    """
    return f"[{', '.join(scalar(value) for value in values)}]"


def duration(value: timedelta) -> str:
    """Return a duration of a second or more as a model file writes it: 10m, 2h.

    Args:
        value: A duration.

    Returns:
        Text such as '10m'.
    """
    return format_duration(max(value, timedelta(seconds=1)))

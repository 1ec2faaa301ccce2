"""What MLflow stores: params and tags are text, metrics are finite numbers under names it accepts."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from mlops_assets.artifacts import Part

LONGEST_PARAM: Final = 6_000
LONGEST_TAG: Final = 8_000
_REFUSED: Final = re.compile(r"[^\w\-. :/]")
SUFFIX: Final[dict[Part, str]] = {"train": "_train", "validation": "_val", "test": "_test"}


def as_text(value: Any) -> str:
    """Return a value as MLflow stores it.

    Args:
        value: Any value.

    Returns:
        Booleans in lower case, text unchanged, containers as JSON.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or value is None or isinstance(value, (dict, list, tuple)):
        return json.dumps(value, sort_keys=True, default=str)
    return str(value)


def as_bool(text: str | None) -> bool:
    """Return a boolean tag, however it was written: True, true, TRUE.

    Args:
        text: Value of a tag; None is False.

    Returns:
        The boolean.
    """
    return (text or "").strip().lower() == "true"


def as_key(name: str) -> str:
    """Return a name that MLflow accepts.

    Args:
        name: Any text.

    Returns:
        At most 250 characters; refused ones become '_'.
    """
    return _REFUSED.sub("_", name)[:250] or "_"


def named_by_part(metrics: Mapping[Part, Mapping[str, float]]) -> dict[str, float]:
    """Rmse of train, validation and test as rmse_train, rmse_val, rmse_test; r2 on validation also as r2_score.

    Args:
        metrics: Value by name, by part.

    Returns:
        Value by name with suffix.
    """
    named = {
        f"{name}{SUFFIX[part]}": value for part, values in metrics.items() for name, value in values.items()
    }
    if "r2_val" in named:
        named["r2_score"] = named["r2_val"]
    return named


def finite(metrics: Mapping[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """Separate metrics that MLflow can store from others: it has been seen to store NaN as 0.

    Args:
        metrics: Value by name.

    Returns:
        Finite values by key, and tags for the others.
    """
    good = {as_key(name): float(value) for name, value in metrics.items() if math.isfinite(value)}
    bad = {
        f"not_finite.{as_key(name)}": str(value)
        for name, value in metrics.items()
        if not math.isfinite(value)
    }
    return good, bad

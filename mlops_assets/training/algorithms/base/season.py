"""The points of a season where the model file names none: they follow from the step of `features.history`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Final

HOUR: Final = 3_600.0
DAY: Final = 24 * HOUR
USUAL_SEASONS: Final = (
    (HOUR / 2, HOUR / 2, 48),
    (HOUR, HOUR, 24),
    (DAY, DAY, 7),
    (7 * DAY, 7 * DAY, 52),
    (28 * DAY, 31 * DAY, 12),
    (89 * DAY, 92 * DAY, 4),
)
"""Shortest and longest step in seconds, and the points of its season: a day, a week, a year."""
FALLBACK: Final = 7
"""Points of a season for every other step; a run that takes it warns."""


def usual_season(step: float) -> int | None:
    """Return the points of the season that is usual for a step.

    Args:
        step: Time between two points, in seconds.

    Returns:
        Number of points; None where no season is usual.
    """
    return next((points for low, high, points in USUAL_SEASONS if low <= step <= high), None)


def default_season(who: str, params: Mapping[str, Any]) -> int:
    """Return the points of a season for the step of `features.history`; warn where none is usual.

    Args:
        who: Name and key of the parameter that sets it, for the warning: `seasonal_naive.season`.
        params: Parameters of the algorithm, with `every`, the seconds of a step.

    Returns:
        Number of points, `FALLBACK` where the step is unset or has no usual season.
    """
    every = params.get("every")
    points = None if every is None else usual_season(float(every))
    if points is not None:
        return points
    step = "a step of unknown length" if every is None else f"a step of {float(every):g} seconds"
    warnings.warn(
        f"{who}: no season is usual for {step}, so a season of {FALLBACK} points is assumed; set {who}",
        stacklevel=2,
    )
    return FALLBACK

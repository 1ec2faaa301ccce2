"""Days until a limit is reached, from the slope of the last days, with an interval.

The slope is Theil and Sen's, the median over all pairs of points, and its interval theirs too: a restart or a clean-up
in between moves neither much. A series that does not approach its limit has no date.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.operations.healing.snapshot import Series

LEAST_POINTS: Final = 12
MOST_POINTS: Final = 300
HORIZON: Final = timedelta(days=90)
CONFIDENCE: Final = 0.9
History = Mapping[Series, Sequence[tuple[datetime, float]]]


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a series reaches its limit, in days from the newest point. latest: None when it may never do."""

    series: Series
    value: float
    limit: float
    days: float
    soonest: float
    latest: float | None

    @property
    def sentence(self) -> str:
        """One sentence."""
        name = f"{self.series.metric} of {self.series.label}" if self.series.label else self.series.metric
        until = "never" if self.latest is None else f"{self.latest:,.1f}"
        return f"{name} reaches its limit in {self.days:,.1f} days ({self.soonest:,.1f} to {until}, 90 % confidence)"


def forecasts(history: History) -> tuple[Forecast, ...]:
    """Return every series that reaches its limit within 90 days, the soonest first.

    Args:
        history: Points of each series, oldest first.

    Returns:
        Forecasts of free disk, available memory and connections.
    """
    limits: dict[Series, float] = {
        series: 0.0
        for series in history
        if series.metric in ("mlops_disk_free_bytes", "mlops_memory_available_bytes")
    }
    allowed = history.get(Series("mlops_database_connections_limit"))
    if allowed:
        limits |= {one: allowed[-1][1] for one in history if one.metric == "mlops_database_connections"}
    results = [_forecast(series, history[series], limit) for series, limit in limits.items()]
    return tuple(sorted((one for one in results if one is not None), key=lambda one: one.days))


def _forecast(series: Series, points: Sequence[tuple[datetime, float]], limit: float) -> Forecast | None:
    from scipy.stats import theilslopes

    if len(points) < LEAST_POINTS:
        return None
    step = max(1, len(points) // MOST_POINTS)
    thinned = points[::step]
    end, value = points[-1]
    days = [(at - end).total_seconds() / 86_400 for at, _ in thinned]
    slope, _, low, high = theilslopes([one for _, one in thinned], days, alpha=CONFIDENCE)
    distance = limit - value
    left = [distance / one if one * distance > 0 else None for one in (slope, low, high)]
    expected, dates = left[0], [one for one in left[1:] if one is not None]
    if expected is None or expected > HORIZON.days or not dates:
        return None
    return Forecast(series, value, limit, expected, min(dates), max(dates) if len(dates) == 2 else None)

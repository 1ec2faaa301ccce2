"""Readings matched to instants that no reading hits exactly: clocks to the second drift, loggers write late.

Comes in: sorted instants per entity, the instants wanted, and a tolerance. Goes out: the index of the reading for each.
Labels, the grid of `features.history` and the seasons of the baseline ask the same functions, so that they agree.
All numbers are microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
NO_MATCH: Final = -1
MICROSECOND: Final = timedelta(microseconds=1)
WARN_BELOW: Final = 0.9
"""Share of matched instants below which a run warns."""
REFUSE_BELOW: Final = 0.5
"""Share of matched instants below which nothing is built."""


@dataclass(frozen=True, slots=True)
class Matches:
    """How many of the instants that something looks for have a reading within the tolerance.

    Attributes:
        what: What is looked for, for a message: `labels 1h ahead`.
        wanted: Instants between the first and the last reading of their entity.
        matched: Those with a reading.
        tolerance: How far a reading may lie from its instant.
        is_default: Whether the tolerance follows from the usual step, because the model file names none.
    """

    what: str
    wanted: int
    matched: int
    tolerance: timedelta
    is_default: bool

    @property
    def share(self) -> float:
        """Return the share of the instants that have a reading; 1 where none is wanted."""
        return self.matched / self.wanted if self.wanted else 1.0

    @property
    def sentence(self) -> str:
        """Return what was matched, with the tolerance and where it comes from."""
        origin = "half the usual step" if self.is_default else "features.tolerance"
        counted = f"{self.matched:,} of {self.wanted:,} {self.what}"
        seconds = timedelta(seconds=round(self.tolerance.total_seconds()))
        return f"{counted} have a reading within {seconds or self.tolerance} ({origin})"


def season_reach(season: timedelta, horizon: timedelta | None) -> timedelta:
    """Return the smallest multiple of the season that reaches back to an instant already known.

    Args:
        season: Length of the season.
        horizon: Horizon of the forecast; None for no forecast.

    Returns:
        A duration of at least one season.
    """
    ahead = horizon or timedelta(0)
    return season * max(1, -(-ahead // season))


def usual_step(times: Ints, starts: Ints) -> int:
    """Return the median time between two instants of an entity; 0 where no entity has two.

    Args:
        times: Instants sorted by entity, then time, shape (rows,).
        starts: First row of each entity, and the number of rows as the last entry.

    Returns:
        Microseconds.
    """
    steps = np.diff(times)
    inside = np.ones(len(steps), dtype=bool)
    inside[starts[1:-1] - 1] = False
    steps = steps[inside & (steps > 0)]
    return int(np.median(steps)) if len(steps) else 0


def below_half(step: int) -> int:
    """Return the largest tolerance with which two neighbors at that step never match the same instant.

    Args:
        step: Time between two readings.

    Returns:
        Microseconds, 0 or more.
    """
    return max(0, (step - 1) // 2)


def nearest(
    times: Ints,
    starts: Ints,
    wanted: Ints,
    tolerance: int,
    *,
    after: Ints | None = None,
    until: Ints | None = None,
) -> Ints:
    """Return for each row the index of its entity's reading at the wanted instant, NO_MATCH where there is none.

    The nearest reading that is not after the instant counts; where none lies within the tolerance, the nearest one
    after it. Of several readings of one instant the last counts.

    Args:
        times: Instants sorted by entity, then time, shape (rows,).
        starts: First row of each entity, and the number of rows as the last entry.
        wanted: The instant wanted for each row, shape (rows,).
        tolerance: How far from it a reading may lie.
        after: A matched reading lies later than this, per row.
        until: A matched reading lies no later than this, per row.

    Returns:
        Indices, shape (rows,).
    """
    matches = np.full(len(times), NO_MATCH, dtype=np.int64)
    for start, stop in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True):
        own, instants = times[start:stop], wanted[start:stop]
        before = np.searchsorted(own, instants, side="right") - 1
        earlier = own[np.maximum(before, 0)]
        fits = (before >= 0) & (instants - earlier <= tolerance)
        following = np.minimum(before + 1, len(own) - 1)
        later = own[following]
        follows = ~fits & (before + 1 < len(own)) & (later - instants <= tolerance)
        if after is not None:
            fits &= earlier > after[start:stop]
            follows &= later > after[start:stop]
        if until is not None:
            fits &= earlier <= until[start:stop]
            follows &= later <= until[start:stop]
        last = np.searchsorted(own, later, side="right") - 1
        index = np.where(fits, before, np.where(follows, last, NO_MATCH))
        matches[start:stop] = np.where(index == NO_MATCH, NO_MATCH, start + index)
    return matches


def within_span(times: Ints, starts: Ints, wanted: Ints) -> NDArray[np.bool_]:
    """Return which wanted instants lie between the first and the last reading of their entity.

    Args:
        times: Instants sorted by entity, then time, shape (rows,).
        starts: First row of each entity, and the number of rows as the last entry.
        wanted: The instant wanted for each row, shape (rows,).

    Returns:
        Booleans, shape (rows,).
    """
    counts = np.diff(starts)
    if not len(times):
        return np.zeros(0, dtype=bool)
    full = counts > 0
    first = np.repeat(times[starts[:-1][full]], counts[full])
    last = np.repeat(times[starts[1:][full] - 1], counts[full])
    return (wanted >= first) & (wanted <= last)

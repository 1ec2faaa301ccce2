"""The clock on the wall of a place, for windows and lags that count its days: one has 23 hours, one 25.

Comes in: instants and a time zone. Goes out: what the clock shows, as a line that only goes forward, so that a day
before an instant is 24 hours less on it. Where a clock is set forward, the line jumps; where it is set back, the line
stands still until the clock has caught up.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.features.windows import Line

DAY: Final = timedelta(days=1)
LARGEST_CHANGE: Final = DAY
"""How far a clock was ever set at once: places at the date line skipped or repeated a day."""


def clock_line(on: Line, zone: str) -> Line:
    """Return what the clock shows at each instant, in microseconds.

    An instant that is later than another of its entity is later on the clock too, by a microsecond at least: in an
    hour that the clock repeats, no window contains a reading that comes after its row.

    Args:
        on: Instants per entity.
        zone: IANA name of the time zone.

    Returns:
        A line of the same rows.
    """
    instants = pl.Series(on.times).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    shown = instants.dt.replace_time_zone(None).dt.epoch("us").to_numpy()
    later = np.cumsum(np.diff(on.times, prepend=on.times[:1]) != 0)
    times = shown - later
    for start, stop in zip(on.starts[:-1].tolist(), on.starts[1:].tolist(), strict=True):
        np.maximum.accumulate(times[start:stop], out=times[start:stop])
    return Line(times + later, on.starts)

"""Simulators: synthetic readings with known causes, for first steps, tests and demonstrations.

Each is a function of an interval, a seed and its own parameters, and answers with the same rows whatever interval is
asked. A new one is one file and one line in `SIMULATORS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from mlops_assets.readings.simulated.pump_station import pump_station

Simulate = Callable[..., pl.DataFrame]
"""(start, end, *, seed, **params) -> rows with start <= time < end."""

SIMULATORS: Final[dict[str, Simulate]] = {
    "pump_station": pump_station,
}
TIME_COLUMN: Final[dict[str, str]] = {
    "pump_station": "recorded_at",
}
ENTITY_COLUMN: Final[dict[str, str]] = {
    "pump_station": "pump_id",
}

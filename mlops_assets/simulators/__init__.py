"""Simulators: synthetic readings with known causes, for first steps, tests and demonstrations.

Each is a function of an interval, a seed and its own parameters, and returns the same rows whatever the interval. A
new one is one file and one line in `SIMULATORS`; its first column is the time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

from mlops_assets.simulators.ad_sales import ad_sales
from mlops_assets.simulators.cloud_workload import cloud_workload
from mlops_assets.simulators.pump_station import pump_station

Simulate = Callable[..., pl.DataFrame]
"""(start, end, *, seed, **params) -> rows with start <= time < end."""

SIMULATORS: Final[dict[str, Simulate]] = {
    "ad_sales": ad_sales,
    "cloud_workload": cloud_workload,
    "pump_station": pump_station,
}
KEYS: Final[dict[str, tuple[str, ...]]] = {
    "ad_sales": ("date",),
    "cloud_workload": ("timestamp", "service_id"),
    "pump_station": ("recorded_at", "pump_id"),
}
"""What makes a row one of its kind: its time, then what it is about."""

"""Resource metrics of ten cloud services and the rare moments in which an autoscaler had to act (about 3 % of rows).

Comes in: an interval and a seed. Goes out: one row a minute, services in turn, the same whatever the interval;
10,000 rows are 10,000 minutes. A scaling event is the last stretch of a surge: load ramps up for an hour or so before,
so that earlier metrics of a service tell of it. Surges belong to a day and do not cross midnight (UTC).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

SERVICES: Final = tuple(f"service_{number:02d}" for number in range(10))
FIRST_RUN: Final = (
    datetime(2025, 1, 1, tzinfo=UTC),
    datetime(2025, 1, 1, tzinfo=UTC) + timedelta(minutes=10_000),
)
"""10,000 records from 2025-01-01."""
_MINUTES: Final = 1_440
_CHUNK_DAYS: Final = 60
_RAMP_MINUTES: Final = 90
_EVENT_MINUTES: Final = 30
_SURGES_A_DAY: Final = 1.44
"""Times 30 minutes of 1,440: 3 % of rows."""


def cloud_workload(start: datetime, end: datetime, *, seed: int = 42) -> pl.DataFrame:
    """Simulate the rows with start <= timestamp < end, in the order of time.

    Columns: timestamp, service_id, cpu_percent, memory_percent, request_rate (per second), latency_ms (95th
    percentile), error_rate (proportion), network_mbps, queue_length, replicas, scaling_event (0 or 1).

    Args:
        start: First instant, with a time zone.
        end: The instant after the last, with a time zone.
        seed: Seed of the random numbers.

    Returns:
        One row per minute, services in turn.

    Raises:
        ValueError: An instant has no zone.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end need a time zone")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    first, stop = int(start.timestamp() // 86_400), int(end.timestamp() // 86_400) + 1
    rows = pl.concat(
        [
            _days(day, min(day + _CHUNK_DAYS, stop), seed)
            for day in range(first, max(stop, first + 1), _CHUNK_DAYS)
        ]
    )
    return rows.filter((pl.col("timestamp") >= start) & (pl.col("timestamp") < end)).rechunk()


def _days(first: int, stop: int, seed: int) -> pl.DataFrame:
    minute = np.arange(first * _MINUTES, stop * _MINUTES)
    service = minute % len(SERVICES)
    noise = np.concatenate(
        [np.random.default_rng([seed, 30, day]).standard_normal((7, _MINUTES)) for day in range(first, stop)],
        axis=1,
    )
    surge, event = _surges(first, stop, service, seed)

    character = np.random.default_rng([seed, 31]).uniform(0.6, 1.4, size=(3, len(SERVICES)))
    hour = minute % _MINUTES / 60
    weekend = np.where((minute // _MINUTES + 3) % 7 >= 5, 0.75, 1.0)
    daily = 1 + 0.35 * np.sin(2 * np.pi * (hour - 9) / 24) * character[0][service]
    load = 0.33 * character[1][service] * daily * weekend * (1 + 0.08 * noise[0]) + 0.55 * surge
    load = np.clip(load, 0.02, 1.15)

    cpu = np.clip(100 * load + 3 * noise[1], 1, 100)
    requests = 220 * character[2][service] * load * np.exp(0.05 * noise[2])
    latency = (
        40 / np.maximum(1.2 - load, 0.05) * np.exp(0.12 * noise[3])
    )  # a queue's waiting time near saturation
    return pl.DataFrame(
        {
            "timestamp": pl.Series(minute * 60_000_000).cast(pl.Datetime("us", "UTC")),
            "service_id": pl.Series(service, dtype=pl.UInt32).replace_strict(
                list(range(len(SERVICES))), list(SERVICES), return_dtype=pl.String
            ),
            "cpu_percent": cpu.round(2),
            "memory_percent": np.clip(35 + 25 * character[0][service] * load + 2 * noise[4], 5, 100).round(2),
            "request_rate": requests.round(2),
            "latency_ms": latency.round(2),
            "error_rate": np.clip(0.002 + 0.03 * np.maximum(load - 0.85, 0) + 0.001 * noise[5], 0, 1).round(
                5
            ),
            "network_mbps": (requests * 0.42 * np.exp(0.08 * noise[6])).round(2),
            "queue_length": np.floor(np.maximum(load - 0.7, 0) * 120 * np.exp(0.2 * noise[3])).astype(
                np.int64
            ),
            "replicas": 2 + (character[2][service] * 3).astype(np.int64),
            "scaling_event": event.astype(np.int16),
        },
        schema_overrides={"queue_length": pl.Int32, "replicas": pl.Int16, "scaling_event": pl.Int16},
    )


def _surges(first: int, stop: int, service: NDArray[np.int64], seed: int) -> tuple[Array, NDArray[np.bool_]]:
    """Height of the surge (0 to about 1) and whether the autoscaler acts, per row."""
    height = np.zeros(len(service))
    event = np.zeros(len(service), dtype=np.bool_)
    length = _RAMP_MINUTES + _EVENT_MINUTES
    for offset, day in enumerate(range(first, stop)):
        rng = np.random.default_rng([seed, 32, day])
        for number in range(len(SERVICES)):
            for begins in rng.integers(0, _MINUTES - length, size=rng.poisson(_SURGES_A_DAY)).tolist():
                span = np.arange(begins, begins + length) + offset * _MINUTES
                mine = span[service[span] == number]
                passed = mine - span[0]
                ramp = np.minimum(passed / _RAMP_MINUTES, 1.0) ** 2 * rng.uniform(0.8, 1.1)
                height[mine] = np.maximum(height[mine], ramp)
                event[mine] |= passed >= _RAMP_MINUTES
    return height, event

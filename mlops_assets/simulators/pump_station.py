"""A small pump station that fills a tank: three pumps in parallel, one logger that polls one pump a minute in turn.

Comes in: an interval and a seed. Goes out: the logger's rows, the same whatever the interval, because every
random number belongs to a day and every state is a closed form or is pinned at midnight. Writing rows to a database
is `feed`'s business.

Physics, in the usual textbook forms (affinity laws, quadratic pump and system curves, as in Gulich, "Centrifugal
Pumps"): system head H = Hs + level + k Q^2; pump head H = s^2 a - b q^2 with speed ratio s; efficiency falls off
quadratically from the best point and slowly with wear until maintenance; P = rho g q H / (eta_pump eta_motor); tank
level from the mass balance A dh/dt = inflow - demand. The head is not logged, so efficiency cannot be computed from
the other columns of a row; it comes from a separate noisy test instrument.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

PUMPS: Final = ("pump_1", "pump_2", "pump_3")
MINUTES: Final = 1_440
_EPOCH: Final = date(1970, 1, 1)
_CHUNK_DAYS: Final = 60

_TANK_AREA_M2: Final = 420.0
_BASE_DEMAND_M3H: Final = 840.0
_STATIC_HEAD_M: Final = 26.0
_SYSTEM_K: Final = 1.5e-5
"""m / (m3/h)^2: about 10 m of friction at the mean station flow."""
_SHUTOFF_HEAD_M: Final = 58.0
_PUMP_B: Final = 1.9e-4
_BEST_FLOW_M3H: Final = 285.0
_BEST_EFFICIENCY: Final = 0.82
_RATED_RPM: Final = 1_480.0
_MOTOR_KW: Final = 55.0
_CYCLE_DAYS: Final = np.array([41.0, 53.0, 67.0])
"""Days between two maintenances of each pump."""
_PHASE_DAYS: Final = np.array([9.0, 31.0, 50.0])
_LOW_LEVEL_M: Final = 2.2
_HOT_MOTOR_C: Final = 75.0
_ROUGH_VIBRATION: Final = 4.5
"""mm/s, the border to 'unsatisfactory' of ISO 10816-1 for medium machines."""

OK, DROPPED, STUCK, SPIKE, ALERT = 0, 1, 2, 3, 4
"""Flags: fine, no value, value frozen, value far off, and a true reading that breaks an operating limit."""


@dataclass(frozen=True, slots=True)
class Drift:
    """A change of the plant: from `since` on, meters overstate the flow by `flow`, demand rises by `demand`."""

    since: datetime
    flow: float = 0.12
    demand: float = 0.15

    @classmethod
    def of(cls, value: Drift | Mapping[str, Any] | None) -> Drift | None:
        """Return the drift of a model file's params: `{since: 2026-01-15T00:00:00Z, flow: 0.12, demand: 0.15}`.

        Args:
            value: The parameters; None means no drift.

        Returns:
            The drift, or None.

        Raises:
            ValueError: There is no `since`.
        """
        if value is None or isinstance(value, Drift):
            return value
        if "since" not in value:
            raise ValueError("drift needs 'since', the instant from which the world is different")
        since = value["since"]
        moment = since if isinstance(since, datetime) else datetime.fromisoformat(str(since))
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        return cls(moment, **{name: float(share) for name, share in value.items() if name != "since"})


def pump_station(
    start: datetime, end: datetime, *, seed: int = 42, drift: Drift | Mapping[str, Any] | None = None
) -> pl.DataFrame:
    """Simulate the rows with start <= recorded_at < end, one a minute, in the order of time.

    Args:
        start: First instant, with a time zone.
        end: The instant after the last, with a time zone.
        seed: Seed of the random numbers.
        drift: A change of the plant, see `Drift`.

    Returns:
        One row per minute.

    Raises:
        ValueError: An instant has no zone, or a drift no `since`.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end need a time zone")
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    change = Drift.of(drift)
    first, stop = (start.date() - _EPOCH).days, (end.date() - _EPOCH).days + 1
    chunks = [
        _days(day, min(day + _CHUNK_DAYS, stop), seed, change)
        for day in range(first, max(stop, first + 1), _CHUNK_DAYS)
    ]
    rows = pl.concat(chunks)
    return rows.filter((pl.col("recorded_at") >= start) & (pl.col("recorded_at") < end)).rechunk()


def _days(first: int, stop: int, seed: int, drift: Drift | None) -> pl.DataFrame:
    """All rows of the days [first, stop), counted from 1970."""
    days = np.arange(first, stop)
    rows = len(days) * MINUTES
    minute = np.arange(first * MINUTES, stop * MINUTES)
    clock = minute / MINUTES  # days since 1970, with fraction
    pump = minute % len(PUMPS)
    noise = np.concatenate([_day_noise(seed, day) for day in days.tolist()], axis=1)

    demand = _demand(clock, days, seed)
    after: NDArray[np.bool_] = np.zeros(rows, dtype=np.bool_)
    if drift is not None:
        after = minute * 60 >= drift.since.timestamp()
        demand = np.where(after, demand * (1 + drift.demand), demand)
    inflow, level = _tank(demand, days, seed)

    wear = _wear(clock, pump, seed)
    share = (1 + 0.05 * _slow(days, seed, 3, lanes=3)[pump, np.arange(rows)]) * (1 - 0.08 * wear) / len(PUMPS)
    flow = inflow * share
    head = (_STATIC_HEAD_M + level) * (1 + 0.03 * _slow(days, seed, 4)[0]) + _SYSTEM_K * inflow**2
    speed = np.sqrt((head + _PUMP_B * flow**2) / (_SHUTOFF_HEAD_M * (1 - 0.05 * wear)))
    off_best = flow / speed / _BEST_FLOW_M3H - 1
    efficiency = _BEST_EFFICIENCY * (1 - 0.45 * off_best**2) - 0.18 * wear
    load = 9.81 * flow * head / 3_600 / efficiency / _MOTOR_KW
    motor_efficiency = 0.94 - 0.05 * np.exp(-4 * load)
    power = load * _MOTOR_KW / motor_efficiency
    current = power * 1_000 / (np.sqrt(3) * 400 * (0.88 - 0.12 * np.exp(-3 * load)))
    ambient = (
        12
        + 9 * np.sin(2 * np.pi * (clock / 365.25 - 0.3))
        + 4 * np.sin(2 * np.pi * (clock - 0.38))
        + 2 * _slow(days, seed, 5)[0]
    )
    temperature = ambient + 50 * load + 18 * wear
    vibration = 1.1 + 3.0 * wear + 1.5 * off_best**2

    measured_flow = flow * (1 + 0.010 * noise[0])
    if drift is not None:
        measured_flow = np.where(after, measured_flow * (1 + drift.flow), measured_flow)
    measured_flow, flag_flow = _faults(measured_flow, pump, days, seed, sensor=0)
    measured_power, flag_power = _faults(power * (1 + 0.008 * noise[1]), pump, days, seed, sensor=1)
    measured_level, flag_level = _faults(level + 0.01 * noise[2], pump * 0, days, seed, sensor=2)
    measured_temperature = temperature + 0.6 * noise[3]
    measured_vibration = vibration * np.exp(0.10 * noise[4])
    with np.errstate(invalid="ignore"):
        flag_level = np.where((flag_level == OK) & (measured_level < _LOW_LEVEL_M), ALERT, flag_level)

    return pl.DataFrame(
        {
            "recorded_at": pl.Series(minute * 60_000_000).cast(pl.Datetime("us", "UTC")),
            "pump_id": pl.Series(pump, dtype=pl.UInt32).replace_strict(
                list(range(len(PUMPS))), list(PUMPS), return_dtype=pl.String
            ),
            "flow_m3h": measured_flow.round(2),
            "power_kw": measured_power.round(3),
            "current_a": (current * (1 + 0.006 * noise[5])).round(2),
            "speed_rpm": (_RATED_RPM * speed + 3.0 * noise[6]).round(0),
            "inlet_pressure_bar": (0.85 - 1.2e-7 * inflow**2 + 0.01 * noise[7]).round(3),
            "motor_temperature_c": measured_temperature.round(1),
            "vibration_mm_s": measured_vibration.round(3),
            "tank_level_m": measured_level.round(3),
            "demand_m3h": (demand * (1 + 0.01 * noise[8])).round(1),
            "flag_flow": flag_flow,
            "flag_power": flag_power,
            "flag_level": flag_level,
            "flag_temperature": np.where(measured_temperature > _HOT_MOTOR_C, ALERT, OK),
            "flag_vibration": np.where(measured_vibration > _ROUGH_VIBRATION, ALERT, OK),
            "efficiency": (100 * efficiency + 0.9 * noise[9]).round(2),
        },
        schema_overrides={
            f"flag_{name}": pl.Int16 for name in ("flow", "power", "level", "temperature", "vibration")
        },
    ).with_columns(pl.col(pl.Float64).fill_nan(None))


def _day_noise(seed: int, day: int) -> Array:
    """Sensor noise of one day, shape (10, 1440)."""
    return np.random.default_rng([seed, 0, day]).standard_normal((10, MINUTES))


def _slow(days: NDArray[np.int64], seed: int, stream: int, *, lanes: int = 1, per_day: int = 1) -> Array:
    """Slow wandering: normal values at `per_day` nodes of each day, joined by lines. Shape (lanes, minutes)."""
    nodes = np.concatenate(
        [
            np.random.default_rng([seed, stream, day]).standard_normal((lanes, per_day))
            for day in [*days.tolist(), int(days[-1]) + 1]
        ],
        axis=1,
    )[:, : len(days) * per_day + 1]
    at = np.arange(len(days) * MINUTES) * per_day / MINUTES
    left = at.astype(np.int64)
    part = at - left
    wandering: Array = nodes[:, left] * (1 - part) + nodes[:, left + 1] * part
    return wandering


def _demand(clock: Array, days: NDArray[np.int64], seed: int) -> Array:
    """Return what the town takes, m3/h: two peaks a day, less at weekends, more in summer, weather and chance."""
    hour = (clock % 1) * 24
    peaks = 0.42 * np.exp(-(((hour - 7.5) / 1.8) ** 2)) + 0.34 * np.exp(-(((hour - 19.5) / 2.4) ** 2))
    night = 0.45 * np.exp(-(((hour - 3) / 2.5) ** 2)) + 0.45 * np.exp(-(((hour - 27) / 2.5) ** 2))
    weekend = np.repeat(np.where((days + 3) % 7 >= 5, 0.93, 1.0), MINUTES)
    season = 1 + 0.10 * np.sin(2 * np.pi * (clock / 365.25 - 0.3))
    weather = 1 + 0.05 * _slow(days, seed, 1)[0] + 0.03 * _slow(days, seed, 2, per_day=24)[0]
    wanted: Array = _BASE_DEMAND_M3H * (1 + peaks - night) * weekend * season * np.clip(weather, 0.7, 1.3)
    return wanted


def _tank(demand: Array, days: NDArray[np.int64], seed: int) -> tuple[Array, Array]:
    """Pumped inflow (m3/h) and tank level (m). Each day has a plan that ends at the next midnight's level."""
    midnight = np.array(
        [
            2.7 + 0.25 * np.clip(np.random.default_rng([seed, 6, day]).standard_normal(), -2, 2)
            for day in [*days.tolist(), int(days[-1]) + 1]
        ]
    )
    daily = demand.reshape(len(days), MINUTES)
    refill = _TANK_AREA_M2 * np.diff(midnight)[:, None] / 24
    inflow = 0.6 * daily + 0.4 * daily.mean(axis=1, keepdims=True) + refill
    surplus = np.cumsum(inflow - daily, axis=1) / 60 / _TANK_AREA_M2
    before = np.concatenate([np.zeros((len(days), 1)), surplus[:, :-1]], axis=1)
    return inflow.reshape(-1), (midnight[:-1, None] + before).reshape(-1)


def _wear(clock: Array, pump: NDArray[np.int64], seed: int) -> Array:
    """0 after maintenance, about 1 at the end of the cycle; how fast differs from cycle to cycle."""
    position = (clock + _PHASE_DAYS[pump]) / _CYCLE_DAYS[pump]
    cycle = np.floor(position).astype(np.int64)
    wear = np.zeros_like(clock)
    for number in range(len(PUMPS)):
        for turn in np.unique(cycle[pump == number]).tolist():
            severity = np.random.default_rng([seed, 7, number, turn % 2**31]).uniform(0.7, 1.0)
            mine = (pump == number) & (cycle == turn)
            wear[mine] = severity * (position[mine] - turn) ** 1.3
    return wear


def _faults(
    values: Array, group: NDArray[np.int64], days: NDArray[np.int64], seed: int, *, sensor: int
) -> tuple[Array, NDArray[np.int64]]:
    """Break a sensor as sensors break: drop-outs, frozen values, spikes, each within a day. Gives values and flags."""
    measured = values.copy()
    flags = np.zeros(len(values), dtype=np.int64)
    for offset, day in enumerate(days.tolist()):
        rng = np.random.default_rng([seed, 8, sensor, day])
        happens = rng.random(2) < (0.30, 0.20)
        begins = rng.integers(0, MINUTES - 130, size=2)
        lasts = rng.integers(15, 120, size=2)
        which = rng.integers(0, len(PUMPS))
        spikes = rng.integers(0, MINUTES, size=rng.poisson(1.5))
        factors = rng.uniform(1.6, 4.0, size=len(spikes))
        base = offset * MINUTES
        if happens[0]:
            hit = slice(base + begins[0], base + begins[0] + lasts[0])
            measured[hit], flags[hit] = np.nan, DROPPED
        if happens[1]:
            span = np.arange(base + begins[1], base + begins[1] + lasts[1])
            hit_rows = span[(group[span] == which) | (sensor == 2)]
            measured[hit_rows], flags[hit_rows] = values[hit_rows[0]], STUCK
        at = base + spikes
        measured[at] = np.where(flags[at] == OK, values[at] * factors, measured[at])
        flags[at] = np.where(flags[at] == OK, SPIKE, flags[at])
    return measured, flags

"""Daily sales of a product under price, advertising, competition, promotions and holidays.

Comes in: an interval and a seed. Goes out: one row a day at 00:00 UTC, the same whatever the interval.
Advertising works on later days too (adstock: a share `CARRY` of the effect is left each day, and large budgets
saturate), demand reacts to price with a constant elasticity; the usual forms of marketing mix models.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Array = NDArray[np.float64]

CARRY: Final = 0.6
_MEMORY_DAYS: Final = 28
_EPOCH: Final = date(1970, 1, 1)
_EPOCH_MOMENT: Final = datetime(1970, 1, 1, tzinfo=UTC)
_START: Final = (date(2023, 1, 1) - _EPOCH).days
_WEEKDAY: Final = np.array([0.92, 0.90, 0.94, 1.0, 1.12, 1.22, 1.05])
_ELASTICITY: Final = -1.6
_CROSS_ELASTICITY: Final = 0.7
_PLANNED: Final = ("price", "ad_spend", "promotions", "holidays")


def ad_sales(
    start: datetime,
    end: datetime,
    *,
    seed: int = 42,
    drift: Mapping[str, Any] | None = None,
    country: str = "US",
    planned_days: int = 0,
) -> pl.DataFrame:
    """Simulate the days with start <= date < end.

    Columns: date, sales (units), price, ad_spend, competitor_price, promotions and holidays (0 or 1), day_of_week
    (Monday is 1).

    Args:
        start: First instant, with a time zone.
        end: The instant after the last, with a time zone.
        seed: Seed of the random numbers.
        drift: `{since: 2025-06-01, advertising: 0.5}` halves the effect of advertising from that day on.
        country: Country of the holidays.
        planned_days: With 7 also price_planned, ad_spend_planned, promotions_planned and holidays_planned: what
            marketing has decided on that day for the day a week later; plans do not change.

    Returns:
        One row per day.

    Raises:
        ValueError: An instant has no zone, a drift no `since`, or planned_days is negative.
    """
    if start.tzinfo is None or end.tzinfo is None:
        raise ValueError("start and end need a time zone")
    if planned_days < 0:
        raise ValueError("planned_days must not be negative")
    first = -((_EPOCH_MOMENT - start.astimezone(UTC)) // timedelta(days=1))
    stop = -((_EPOCH_MOMENT - end.astimezone(UTC)) // timedelta(days=1))
    days = np.arange(first - _MEMORY_DAYS, max(stop, first) + planned_days)
    chance = np.array([_daily(seed, day) for day in days.tolist()]).reshape(len(days), 4)
    weekly = np.array([_weekly(seed, week) for week in np.unique(days // 7).tolist()]).reshape(-1, 3)[
        np.unique(days // 7, return_inverse=True)[1]
    ]

    promotions = (weekly[:, 2] < 0.16).astype(np.int64)
    price = np.round(9.99 * (1 + 0.05 * weekly[:, 0]) * (1 - 0.15 * promotions), 2)
    competitor = np.round(9.79 * (1 + 0.06 * weekly[:, 1] + 0.01 * chance[:, 0]), 2)
    campaign = 1 + 0.6 * np.sin(2 * np.pi * days / 91)
    ad_spend = np.round(1_000 * campaign * np.exp(0.35 * chance[:, 1]), 2)
    free = _holidays(days, country)
    weekday = (days + 3) % 7

    effect = 0.22 * _saturated(_adstock(ad_spend)) * _strength(days, drift)
    season = 1 + 0.12 * np.cos(2 * np.pi * (days - _START - 345) / 365.25)
    growth = 1 + 0.06 * (days - _START) / 365.25
    demand = (
        480
        * season
        * growth
        * _WEEKDAY[weekday]
        * (price / 9.99) ** _ELASTICITY
        * (competitor / 9.79) ** _CROSS_ELASTICITY
    )
    sales = demand * (1 + effect) * (1 + 0.10 * promotions) * (1 + 0.18 * free) * np.exp(0.05 * chance[:, 2])
    rows = pl.DataFrame(
        {
            "date": pl.Series(days * 86_400_000_000).cast(pl.Datetime("us", "UTC")),
            "sales": np.maximum(np.round(sales), 0),
            "price": price,
            "ad_spend": ad_spend,
            "competitor_price": competitor,
            "promotions": promotions,
            "holidays": free,
            "day_of_week": weekday + 1,
        },
        schema_overrides=dict.fromkeys(("promotions", "holidays", "day_of_week"), pl.Int16),
    )
    if planned_days:
        rows = rows.with_columns(
            pl.col(name).shift(-planned_days).name.suffix("_planned") for name in _PLANNED
        )
    return rows.slice(_MEMORY_DAYS, rows.height - _MEMORY_DAYS - planned_days)


def _daily(seed: int, day: int) -> Array:
    return np.random.default_rng([seed, 20, day]).standard_normal(4)


def _weekly(seed: int, week: int) -> Array:
    rng = np.random.default_rng([seed, 21, week])
    return np.array([*rng.standard_normal(2), rng.random()])


def _adstock(spend: Array) -> Array:
    """Spend as it works today: sum of CARRY^k of the spend k days ago, over the memory."""
    weights = CARRY ** np.arange(_MEMORY_DAYS + 1) * (1 - CARRY)
    stock: Array = np.convolve(spend, weights)[: len(spend)]
    return stock


def _saturated(stock: Array) -> Array:
    """0 without advertising, 1 at 1,000 a day, and ever less for more."""
    effect: Array = 2 * stock / (stock + 1_000)
    return effect


def _strength(days: NDArray[np.int64], drift: Mapping[str, Any] | None) -> Array:
    if drift is None:
        return np.ones(len(days))
    if "since" not in drift:
        raise ValueError("drift needs 'since', the day from which advertising works differently")
    since = (datetime.fromisoformat(str(drift["since"])).date() - _EPOCH).days
    return np.where(days >= since, float(drift.get("advertising", 0.5)), 1.0)


def _holidays(days: NDArray[np.int64], country: str) -> NDArray[np.int64]:
    from holidays import country_holidays

    dates = [_EPOCH + timedelta(days=day) for day in days.tolist()]
    calendar = country_holidays(country, years=sorted({day.year for day in dates}))
    return np.array([day in calendar for day in dates], dtype=np.int64)

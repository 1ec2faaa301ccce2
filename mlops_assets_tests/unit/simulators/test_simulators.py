"""What every simulator promises, and the causes built into two of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.errors import SourceError
from mlops_assets.simulators import KEYS, SIMULATORS
from mlops_assets.simulators.cloud_workload import FIRST_RUN
from mlops_assets_tests.unit.readings.reading_factory import read_model

START = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("name", SIMULATORS)
def test_any_interval_has_the_same_rows_with_unique_keys(name: str) -> None:
    simulate, time = SIMULATORS[name], pl.col(KEYS[name][0])
    whole = simulate(START, START + timedelta(days=20), seed=7)
    assert whole.n_unique(KEYS[name]) == whole.height > 0
    assert whole[KEYS[name][0]].is_sorted()
    for first, last in ((0.3, 0.4), (2.7, 9.01), (19.0, 20.0)):
        begin, end = START + timedelta(days=first), START + timedelta(days=last)
        assert simulate(begin, end, seed=7).equals(whole.filter((time >= begin) & (time < end)))
    assert not simulate(START, START + timedelta(days=20), seed=8).equals(whole)
    assert simulate(START, START).schema == whole.schema
    with pytest.raises(ValueError, match="time zone"):
        simulate(START.replace(tzinfo=None), START)


def test_two_years_of_ad_sales() -> None:
    rows = SIMULATORS["ad_sales"](START - timedelta(days=730), START)
    assert rows.columns == [
        "date",
        "sales",
        "price",
        "ad_spend",
        "competitor_price",
        "promotions",
        "holidays",
        "day_of_week",
    ]
    assert rows.height == 730
    assert sum(rows.null_count().row(0)) == 0
    saturday, tuesday = (
        rows.filter(pl.col("day_of_week") == day)["sales"].to_numpy().mean() for day in (6, 2)
    )
    assert saturday / tuesday > 1.15
    log = np.log(rows.select("sales", "price", "competitor_price").to_numpy())
    elasticity = np.linalg.lstsq(np.column_stack([np.ones(730), log[:, 1:]]), log[:, 0], rcond=None)[0]
    assert elasticity[1] < -1
    assert elasticity[2] > 0
    assert (
        np.corrcoef(rows["ad_spend"].to_numpy()[:-1], rows["sales"].to_numpy()[1:])[0, 1] > 0.15
    )  # advertising carries over


def test_advertising_can_lose_its_effect() -> None:
    since = START + timedelta(days=100)
    plain = SIMULATORS["ad_sales"](START, START + timedelta(days=200))
    weak = SIMULATORS["ad_sales"](
        START, START + timedelta(days=200), drift={"since": since.isoformat(), "advertising": 0.0}
    )
    assert weak.head(100).equals(plain.head(100))
    assert weak.tail(100).drop("sales").equals(plain.tail(100).drop("sales"))
    assert weak.tail(100)["sales"].to_numpy().sum() < 0.9 * plain.tail(100)["sales"].to_numpy().sum()


def test_ten_thousand_records_of_cloud_workload_with_three_percent_events() -> None:
    rows = SIMULATORS["cloud_workload"](*FIRST_RUN, seed=42)
    assert rows.height == 10_000
    assert rows["timestamp"][0] == START
    assert 0.025 <= rows["scaling_event"].mean() <= 0.035  # type: ignore[operator]
    calm, busy = (
        rows.filter(pl.col("scaling_event") == event)["cpu_percent"].to_numpy().mean() for event in (0, 1)
    )
    assert busy > calm + 30


def test_read_through_a_model_file() -> None:
    source = {"kind": "simulated", "simulator": "cloud_workload", "window": "10000m"}
    read = read_model(
        source, as_of=FIRST_RUN[1] - timedelta(minutes=1), target="scaling_event", timestamp="timestamp"
    )
    assert read.frame.equals(SIMULATORS["cloud_workload"](*FIRST_RUN, seed=42))
    with pytest.raises(SourceError, match=r"declare source\.window"):
        read_model({"kind": "simulated", "simulator": "ad_sales"}, target="sales", timestamp="date")
    with pytest.raises(SourceError, match=r"refuses source\.params"):
        read_model(source | {"params": {"spees": 1}}, target="scaling_event", timestamp="timestamp")


def test_ad_sales_plans_are_what_happens_later() -> None:
    simulate = SIMULATORS["ad_sales"]
    planned = simulate(START, START + timedelta(days=20), planned_days=7)
    assert planned.select(pl.exclude("^.*_planned$")).equals(simulate(START, START + timedelta(days=20)))
    assert planned["price_planned"][:13].equals(planned["price"][7:].alias("price_planned"))
    assert sum(planned.null_count().row(0)) == 0
    assert simulate(START + timedelta(days=19), START + timedelta(days=20), planned_days=7).equals(
        planned[-1:]
    )

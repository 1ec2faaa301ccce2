"""The pump station keeps its promises: same rows for any interval, mass balance, faults, a learnable target."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from mlops_assets.simulators.pump_station import ALERT, DROPPED, OK, Drift, pump_station

END = datetime(2026, 3, 1, 7, 13, tzinfo=UTC)
START = END - timedelta(days=30)


@pytest.fixture(scope="module")
def month() -> pl.DataFrame:
    return pump_station(START, END)


def test_one_row_a_minute_each_pump_in_turn(month: pl.DataFrame) -> None:
    assert month.height == 30 * 24 * 60
    assert month["recorded_at"].is_sorted()
    assert month["recorded_at"].n_unique() == month.height
    assert set(month.group_by("pump_id").len()["len"]) == {14_400}


@pytest.mark.parametrize("days", [(3.1, 5.05), (0.0, 0.01), (28.9, 30.0)])
def test_any_interval_has_the_same_rows(month: pl.DataFrame, days: tuple[float, float]) -> None:
    first, last = (START + timedelta(days=day) for day in days)
    time = pl.col("recorded_at")
    assert pump_station(first, last).equals(month.filter((time >= first) & (time < last)))


def test_other_seeds_and_empty_intervals(month: pl.DataFrame) -> None:
    assert not pump_station(START, START + timedelta(hours=1), seed=43).equals(month.head(60))
    empty = pump_station(START, START)
    assert empty.is_empty()
    assert empty.schema == month.schema


def test_long_intervals_are_made_in_pieces_without_seams() -> None:
    rows = pump_station(END - timedelta(days=130), END).filter(pl.col("flag_level") != DROPPED)
    assert rows.height > 180_000
    honest = rows.filter(pl.col("flag_level").is_in([OK, ALERT]))
    step = honest["tank_level_m"].diff().abs().filter(honest["recorded_at"].diff() == timedelta(minutes=1))
    assert step.to_numpy().max() < 0.12  # m in a minute, sensor noise included


def test_tank_level_obeys_the_mass_balance(month: pl.DataFrame) -> None:
    """A dh/dt = sum of pump flows - demand, hour by hour, within the sensors' noise."""
    honest = month.with_columns(
        pl.when(pl.col("flag_flow") == OK).then(pl.col("flow_m3h")).alias("flow"),
        pl.when(pl.col("flag_level").is_in([OK, ALERT])).then(pl.col("tank_level_m")).alias("level"),
    )
    hours = (
        honest.group_by(pl.col("recorded_at").dt.truncate("1h"), maintain_order=True)
        .agg(
            (pl.col("flow").mean() * 3 - pl.col("demand_m3h").mean()).alias("surplus"),
            pl.col("flow").count().alias("seen"),
            pl.col("level").first().alias("first"),
            pl.col("level").last().alias("last"),
            pl.col("level").count().alias("levels"),
        )
        .filter((pl.col("seen") == 60) & (pl.col("levels") == 60))
    )
    assert hours.height > 300
    rise = (hours["last"] - hours["first"]).to_numpy() * 60 / 59
    area = np.polyfit(rise, hours["surplus"].to_numpy(), 1)[0]
    assert area == pytest.approx(420, rel=0.15)
    assert np.corrcoef(rise, hours["surplus"].to_numpy())[0, 1] > 0.9


def test_faults_are_flagged_and_rare(month: pl.DataFrame) -> None:
    assert month["flow_m3h"].null_count() == (month["flag_flow"] == DROPPED).sum()
    assert 0 < month["flow_m3h"].null_count() / month.height < 0.05
    assert month["efficiency"].null_count() == 0
    for column in ("flag_flow", "flag_power", "flag_level"):
        assert 0 < (month[column] > 0).mean() < 0.06  # type: ignore[operator]
    normal = month.filter(pl.col("flag_flow") == OK)["flow_m3h"]
    assert 100 < normal.min() < normal.max() < 500  # type: ignore[operator]


def test_efficiency_is_learnable_but_no_identity_of_its_row(month: pl.DataFrame) -> None:
    """Least squares on flow and power leaves an error well under 5 points; wear and the unlogged head leave a rest."""
    clean = month.filter((pl.col("flag_flow") == OK) & (pl.col("flag_power") == OK))
    flow, power = clean["flow_m3h"].to_numpy(), clean["power_kw"].to_numpy()
    inputs = np.column_stack([np.ones_like(flow), flow, power, flow / power, flow**2, power**2])
    efficiency = clean["efficiency"].to_numpy()
    rest = efficiency - inputs @ np.linalg.lstsq(inputs, efficiency, rcond=None)[0]
    assert 1.2 < float(np.sqrt((rest**2).mean())) < 4.0
    assert efficiency.std() > 2.5


def test_drift_moves_the_flow_meter_and_the_demand_from_its_instant(month: pl.DataFrame) -> None:
    since = END - timedelta(days=5)
    changed = pump_station(START, END, drift={"since": since.isoformat(), "flow": 0.2, "demand": 0.1})
    before = pl.col("recorded_at") < since - timedelta(
        days=1
    )  # the tank's day plan looks ahead within its day
    assert changed.filter(before).equals(month.filter(before))
    after = pl.col("recorded_at") >= since
    ratio = changed.filter(after)["demand_m3h"].mean() / month.filter(after)["demand_m3h"].mean()  # type: ignore[operator]
    assert ratio == pytest.approx(1.1, abs=0.005)
    flow = changed.filter(after)["flow_m3h"].mean() / month.filter(after)["flow_m3h"].mean()  # type: ignore[operator]
    assert flow == pytest.approx(1.1 * 1.2, abs=0.05)


def test_drift_needs_an_instant_and_start_a_zone() -> None:
    with pytest.raises(ValueError, match="since"):
        Drift.of({"flow": 0.1})
    with pytest.raises(ValueError, match="time zone"):
        pump_station(datetime(2026, 1, 1), END)  # noqa: DTZ001

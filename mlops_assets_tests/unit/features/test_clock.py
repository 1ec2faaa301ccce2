"""Windows and lags over days of a clock: days of 23 and 25 hours, skipped days, and hours that come twice."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from pydantic import ValidationError

from mlops_assets.features import build, online, recent
from mlops_assets.features.columns import computed_names
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.unit.features.feature_factory import model

CHANGES = {
    "Europe/Berlin": (date(2026, 3, 29), date(2026, 10, 25)),
    "America/St_Johns": (date(2026, 3, 8), date(2006, 10, 29)),  # in 2006 one minute after midnight
    "Australia/Lord_Howe": (date(2026, 4, 5), date(2026, 10, 4)),  # half an hour
    "America/Havana": (date(2026, 3, 8), date(2026, 11, 1)),  # at midnight
    "Pacific/Apia": (date(2011, 12, 30),),  # a day that there never was
}
CASES = [(zone, change) for zone, changes in CHANGES.items() for change in changes]
STATISTICS = ["mean", "std", "min", "max", "sum", "median", "count"]


def local(zone: str, **features: Any) -> ModelSpec:
    rolling = {"columns": ["a", "y"], "windows": ["1d", "7d"], "statistics": STATISTICS, "day": "local"}
    wanted = {"rolling": rolling, "lags": {"columns": ["a", "kind"], "days": [1, 7]}, **features}
    return model(features={"inputs": ["a"], "timezone": zone, **wanted})


def days_of(zone: str, change: date, hour: int = 0) -> pl.DataFrame:
    """One reading a day at the same time by the clock, numbered."""
    first, last = change - timedelta(days=12), change + timedelta(days=12)
    day = pl.datetime_range(first, last, "1d", eager=True).dt.offset_by(f"{hour}h")
    at = day.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    number = pl.Series(range(len(at)), dtype=pl.Float64)
    frame = pl.DataFrame({"at": at, "a": number, "y": number}).drop_nulls("at")
    return frame.with_columns(unit=pl.lit("u"), b=0.0, kind=pl.col("a").cast(pl.Int64).cast(pl.String))


@pytest.mark.parametrize("zone, change", [case for case in CASES if case[0] != "Pacific/Apia"])
def test_a_window_of_days_has_one_reading_of_each_and_yesterday_is_yesterday(zone: str, change: date) -> None:
    for hour in (0, 1, 12):
        built = build(local(zone), days_of(zone, change, hour)).sort("at")
        numbers = built["a"].to_list()
        for row, number in zip(built.iter_rows(named=True), numbers, strict=True):
            if number < 8 or not {number - back for back in range(8)} <= set(numbers):
                continue  # the clock never showed one of the times
            assert (row["a_count_1d"], row["a_count_7d"]) == (1, 7), row["at"]
            assert row["a_median_7d"] == number - 3
            assert (row["y_count_7d"], row["y_mean_7d"]) == (7, number - 4)
            assert (row["a_lag_1d"], row["a_lag_7d"]) == (number - 1, number - 7)
            assert row["kind_lag_1d"] == str(int(number) - 1)


def test_a_day_that_there_never_was_is_not_yesterday() -> None:
    built = build(local("Pacific/Apia"), days_of("Pacific/Apia", date(2011, 12, 30), 12)).sort("at")
    [after] = built.filter(
        pl.col("at").dt.convert_time_zone("Pacific/Apia").dt.date() == date(2011, 12, 31)
    ).iter_rows(named=True)
    assert (after["a_count_1d"], after["a_count_7d"], after["a_lag_1d"]) == (1, 6, None)


def test_the_same_hour_yesterday_by_the_clock() -> None:
    at = pl.datetime_range(
        datetime(2026, 10, 20, tzinfo=UTC), datetime(2026, 10, 28, tzinfo=UTC), "1h", eager=True
    )
    clock = at.dt.convert_time_zone("Europe/Berlin")
    frame = pl.DataFrame(
        {"at": at, "unit": "u", "a": clock.dt.hour().cast(pl.Float64), "b": 0.0, "kind": "k"}
    )
    frame = frame.with_columns(y="a")
    built = build(local("Europe/Berlin"), frame).sort("at")[24:]
    assert built["a_lag_1d"].to_list() == built["a"].to_list()
    counts = dict(zip(built["at"].dt.convert_time_zone("Europe/Berlin"), built["a_count_1d"], strict=True))
    assert {count for instant, count in counts.items() if instant.date() == date(2026, 10, 24)} == {24}
    assert counts[max(instant for instant in counts if instant.date() == date(2026, 10, 25))] == 25


@pytest.mark.parametrize("without", ["lags", "rolling"])
@pytest.mark.parametrize("zone, change", CASES)
def test_batch_equals_online_and_nothing_later_is_read(zone: str, change: date, without: str) -> None:
    spec = local(zone, **{without: None})
    begin = datetime(change.year, change.month, change.day, tzinfo=UTC) - timedelta(days=10)
    at = [begin + timedelta(minutes=17 * row) for row in range(17 * 85)]
    chance = np.random.default_rng(5)
    frame = pl.DataFrame(
        {"at": at * 2, "unit": ["u"] * len(at) + ["v"] * len(at), "b": 0.0, "kind": "k"},
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    ).with_columns(a=pl.Series(chance.random(2 * len(at))), y=pl.Series(chance.random(2 * len(at))))
    frame = frame.filter(pl.Series(chance.random(frame.height) > 0.2))
    batch = build(spec, frame)
    names = ["at", "unit", *computed_names(spec)]
    around = begin + timedelta(days=10)
    for hours in range(-14, 62, 3):
        cut = around + timedelta(hours=hours)
        earlier, row = frame.filter(pl.col("at") < cut), frame.filter(pl.col("at") >= cut).sort("at")[:1]
        expected = row.select("at", "unit").join(batch, on=["at", "unit"], how="left").select(names)
        assert_frame_equal(online(spec, recent(spec, earlier), row).select(names), expected, check_exact=True)
        poisoned = frame.with_columns(pl.when(pl.col("at") > cut).then(-1e9).otherwise("a").alias("a"))
        before = pl.col("at") <= cut
        assert_frame_equal(
            build(spec, poisoned).filter(before).select(names),
            batch.filter(before).select(names),
            check_exact=True,
        )


@pytest.mark.parametrize(
    "features, message",
    [
        ({"rolling": {"columns": ["a"], "windows": ["6h", "7d"], "day": "local"}}, "the window 6h is none"),
        ({"lags": {"columns": ["a"]}}, "name 'steps' .*'days'"),
        ({"lags": {"columns": ["a"], "days": [0]}}, "greater than or equal to 1"),
    ],
)
def test_what_counts_no_days_is_refused(features: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        local("Europe/Berlin", **features)

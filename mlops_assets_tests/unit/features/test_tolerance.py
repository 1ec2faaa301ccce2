"""Stamps to the second: labels, the history grid and seasons find the reading that is meant, batch and online alike."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.errors import DataError
from mlops_assets.features import (
    build,
    computed_names,
    match_readings,
    match_warnings,
    online,
    recent,
    refuse_unmatched,
    split,
)
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.consistency import inconsistencies
from mlops_assets_tests.unit.features.feature_factory import START, model, readings

HOUR = timedelta(hours=1)


def forecast(**features: Any) -> ModelSpec:
    return model(problem="forecasting", features={"horizon": "3h", **features})


def jittered(rows: int = 300, seconds: int = 40, units: int = 2) -> pl.DataFrame:
    """Hourly readings whose clock is off by up to some seconds; `y` counts the hours."""
    rng = np.random.default_rng(3)
    frame = readings(rows, units=units).sort("unit", "at")
    hours = pl.Series(list(range(rows)) * units, dtype=pl.Float64)
    off = pl.Series(rng.integers(-seconds, seconds + 1, frame.height))
    return frame.with_columns(pl.col("at") + pl.duration(seconds=pl.lit(off)), y=hours)


def test_nearly_every_row_has_the_label_three_hours_later() -> None:
    built = build(forecast(), jittered())
    labeled = built.drop_nulls("y")
    assert labeled.height == 2 * (300 - 3), "exact instants would label one row in eighty"
    assert (labeled["y"] - labeled["y_now"] == 3.0).all()


def test_exact_stamps_are_matched_exactly_and_a_gap_stays_a_gap() -> None:
    frame = readings(60, units=2).filter(pl.col("at") != START + 20 * HOUR)
    built = build(forecast(), frame)
    known = {(row["unit"], row["at"]): row["y"] for row in frame.iter_rows(named=True)}
    for row in built.iter_rows(named=True):
        assert row["y"] == known.get((row["unit"], row["at"] + 3 * HOUR))


@pytest.mark.parametrize("days", [1, 7])
@pytest.mark.parametrize("change", [date(2026, 3, 29), date(2026, 10, 25)], ids=["23h", "25h"])
def test_a_day_of_a_clock_change_has_the_label_of_the_local_day_after(change: date, days: int) -> None:
    first, last = change - timedelta(days=20), change + timedelta(days=20)
    at = pl.datetime_range(first, last, "1d", time_zone="Europe/Berlin", eager=True).dt.convert_time_zone(
        "UTC"
    )
    frame = readings(len(at), units=1).with_columns(at=at, y=pl.Series(range(len(at)), dtype=pl.Float64))
    built = build(forecast(horizon=f"{days}d"), frame).sort("at")
    assert built["y"].to_list() == [*map(float, range(days, len(at))), *[None] * days]


def test_a_reading_that_is_not_after_the_instant_is_preferred() -> None:
    at = [START + timedelta(minutes=minutes) for minutes in (0, 170, 181, 240, 300)]
    frame = pl.DataFrame({"at": at, "unit": "u", "a": 1.0, "b": 1.0, "kind": "k", "y": [0.0, 1, 2, 3, 4]})
    assert build(forecast(tolerance="15m"), frame)["y"][0] == 1.0
    assert build(forecast(tolerance="5m"), frame)["y"][0] == 2.0, "else the nearest after it"
    assert build(forecast(tolerance="30s"), frame)["y"][0] is None


def test_no_row_is_its_own_label_and_no_label_crosses_entities() -> None:
    at = [START, START + HOUR, START + 30 * HOUR]
    frame = pl.DataFrame(
        {
            "at": at * 2, "unit": ["a"] * 3 + ["b"] * 3, "a": 1.0, "b": 1.0, "kind": "k",
            "y": [1.0, 2, 3, 10, 20, 30],
        }
    )  # fmt: skip
    spec = model(problem="forecasting", features={"horizon": "2h", "tolerance": "119m"})
    assert build(spec, frame)["y"].to_list() == [2.0, None, None, 20.0, None, None]


def test_a_horizon_below_half_the_usual_step_makes_no_row_its_own_label() -> None:
    frame = readings(40, units=1).with_columns(at=pl.Series([START + 24 * HOUR * row for row in range(40)]))
    assert build(forecast(), frame)["y"].null_count() == 40


def test_the_history_grid_finds_its_readings_and_online_equals_batch() -> None:
    spec = forecast(history={"every": "1h", "steps": 5, "columns": ["b"]})
    frame = jittered(60)
    built = build(spec, frame)
    for back in range(5):
        rows = built.filter(pl.col("y@0") >= back)
        assert (rows["y@0"] - rows[f"y@{-back}"] == back).all()
    for hour in range(20, 59):
        cut = START + hour * HOUR + HOUR / 2
        earlier = frame.filter(pl.col("at") < cut)
        later = frame.filter((pl.col("at") >= cut) & (pl.col("at") < cut + HOUR))
        grid = computed_names(spec, "grid")
        response = online(spec, recent(spec, earlier), later).sort("unit", "at").select(grid)
        expected = built.filter((pl.col("at") >= cut) & (pl.col("at") < cut + HOUR)).sort("unit", "at")
        assert_frame_equal(response, expected.select(grid), check_exact=True)


def test_the_tolerance_of_the_grid_is_part_of_what_serving_keeps() -> None:
    """The oldest point may lie a tolerance before the grid begins."""
    spec = forecast(history={"every": "1h", "steps": 3, "columns": ["b"]}, tolerance="20m")
    at = [START - timedelta(minutes=15), START + timedelta(minutes=119), START + 2 * HOUR]
    frame = pl.DataFrame({"at": at, "unit": "u", "a": 1.0, "b": [7.0, 8, 9], "kind": "k", "y": [1.0, 2, 3]})
    response = online(spec, recent(spec, frame[:2]), frame[2:])
    assert response["b@-2"].to_list() == build(spec, frame)["b@-2"].to_list()[2:] == [7.0]


def test_no_label_of_one_part_lies_in_the_next() -> None:
    spec = forecast()
    parts = split(spec, build(spec, jittered(400, seconds=900, units=1)))
    hour_of_label = parts.train["y"].max()
    assert hour_of_label is not None
    assert hour_of_label < parts.validation["y_now"].min()  # type: ignore[operator]


@pytest.mark.parametrize(
    ("missing", "warns", "refuses"), [(0, False, False), (2, True, False), (5, True, True)]
)
def test_few_matches_warn_and_fewer_refuse(missing: int, warns: bool, refuses: bool) -> None:
    """Of every ten readings some lie between the hours, where the label of an hourly horizon finds nothing."""
    at = [
        START + HOUR * row + (timedelta(minutes=25) if row % 10 < missing else timedelta(0))
        for row in range(400)
    ]
    frame = pl.DataFrame({"at": at, "unit": "u", "a": 1.0, "b": 1.0, "kind": "k", "y": 1.0})
    spec = model(
        problem="forecasting", features={"horizon": "10h", "tolerance": "1m"}, evaluation={"seasons": ["25h"]}
    )
    warnings = match_warnings(spec, frame)
    assert any("evaluation.seasons" in one for one in warnings) is warns
    assert all("(features.tolerance)" in one for one in warnings)
    matches = match_readings(spec, frame)
    if refuses:
        with pytest.raises(
            DataError, match=r"only \d+ of \d+ values a season of 25h before .* wider features"
        ):
            refuse_unmatched(spec, matches)
    else:
        refuse_unmatched(spec, matches)


def test_the_default_tolerance_is_stated() -> None:
    (labels,) = match_readings(forecast(), jittered())
    assert labels.share == 1.0
    assert "labels 3h ahead have a reading within 0:30:" in labels.sentence
    assert labels.sentence.endswith("(half the usual step)")


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (forecast(tolerance="3h"), "shorter than the horizon"),
        (forecast(tolerance="1h", history={"every": "1h", "steps": 5}), "features.history.every"),
        (model(features={"tolerance": "1m"}), "has none of them"),
    ],
)
def test_a_tolerance_that_makes_no_sense_is_refused(spec: ModelSpec, problem: str) -> None:
    assert any(path == ("features", "tolerance") and problem in text for path, text in inconsistencies(spec))

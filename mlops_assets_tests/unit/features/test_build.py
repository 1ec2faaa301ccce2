"""Building features: values by hand, nothing from the future, nothing from another entity, any order of rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.errors import DataError
from mlops_assets.features import build, feature_names
from mlops_assets_tests.unit.features.feature_factory import START, model, readings, wine

EVERYTHING = {
    "calendar": ["hour", "day_of_week", "weekend"],
    "cyclical": ["hour"],
    "holidays": "DE-BY",
    "timezone": "Europe/Berlin",
    "lags": {"columns": ["a", "y"], "steps": [1, 3]},
    "differences": {"columns": ["a", "y"], "steps": [1]},
    "rolling": {
        "columns": ["a", "y"],
        "windows": ["6h", "24h"],
        "statistics": ["mean", "std", "min", "max", "sum", "median", "count"],
    },
    "ratios": [["a", "b"]],
    "interactions": [["a", "b"]],
}


def two_units() -> pl.DataFrame:
    times = [START + timedelta(hours=hour) for hour in (0, 1, 2, 5)]
    return pl.DataFrame(
        {
            "at": times * 2,
            "unit": ["u"] * 4 + ["v"] * 4,
            "a": [1.0, 2.0, None, 8.0, 100.0, 200.0, 300.0, 400.0],
            "y": [10.0, 20.0, 30.0, 40.0, 1.0, 2.0, 3.0, 4.0],
        }
    )


def test_lags_and_windows_by_hand() -> None:
    spec = model(
        features={
            "inputs": ["a"],
            "lags": {"columns": ["a"], "steps": [1, 2]},
            "rolling": {"columns": ["a", "y"], "windows": ["3h"], "statistics": ["mean", "count"]},
        }
    )
    built = build(spec, two_units())
    assert built.columns == [
        "at", "unit", "y", "a", "a_lag_1", "a_lag_2", "a_mean_3h", "a_count_3h", "y_mean_3h", "y_count_3h",
    ]  # fmt: skip
    u = built.filter(unit="u")
    assert u["a_lag_1"].to_list() == [None, 1.0, 2.0, None]
    assert u["a_lag_2"].to_list() == [None, None, 1.0, 2.0]
    assert u["a_mean_3h"].to_list() == [
        1.0,
        1.5,
        1.5,
        8.0,
    ]  # (t - 3h, t]: at 5 o'clock only the reading itself
    assert u["a_count_3h"].to_list() == [1.0, 2.0, 2.0, 1.0]
    assert u["y_mean_3h"].to_list() == [None, 10.0, 15.0, 30.0]  # [t - 3h, t): never the row's own target
    assert u["y_count_3h"].to_list() == [0.0, 1.0, 2.0, 1.0]
    v = built.filter(unit="v")
    assert v["a_lag_1"].to_list() == [None, 100.0, 200.0, 300.0]
    assert v["a_mean_3h"].to_list() == [100.0, 150.0, 200.0, 400.0]


def test_no_feature_knows_its_own_target_or_a_later_row() -> None:
    spec = model(features=EVERYTHING)
    frame = readings(120, irregular=True)
    names = feature_names(spec, build(spec, frame).columns)
    cut = START + timedelta(hours=60)
    now = frame.filter(pl.col("at") <= cut)
    later = pl.col("at") > cut
    changed = frame.with_columns(
        pl.when(later).then(pl.col(name) * 7 - 3).otherwise(pl.col(name)).alias(name)
        for name in ("a", "b", "y")
    )
    expected = build(spec, now).select("at", "unit", *names)
    for other in (frame, changed):
        assert_frame_equal(
            build(spec, other).filter(pl.col("at") <= cut).select("at", "unit", *names),
            expected,
            check_exact=True,
        )
    newest = now.group_by("unit").agg(pl.col("at").max())
    own = frame.join(newest, on=["unit", "at"], how="semi").with_columns(y=pl.lit(-999.0))
    hidden = pl.concat([now.join(newest, on=["unit", "at"], how="anti"), own])
    assert_frame_equal(build(spec, hidden).select("at", "unit", *names), expected, check_exact=True)


def test_order_of_rows_and_columns_does_not_matter() -> None:
    spec = model(features=EVERYTHING)
    frame = readings(60, irregular=True)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=1).select(sorted(frame.columns, reverse=True))
    assert_frame_equal(build(spec, frame), build(spec, shuffled), check_exact=True)


def test_entities_do_not_touch() -> None:
    spec = model(features=EVERYTHING)
    frame = readings(60, irregular=True)
    alone = pl.concat([build(spec, frame.filter(unit=unit)) for unit in ("u0", "u1", "u2")])
    assert_frame_equal(build(spec, frame), alone, check_exact=True)


@pytest.mark.parametrize("target", ["a", "y"])
def test_windows_agree_with_polars(target: str) -> None:
    spec = model(features=EVERYTHING)
    frame = readings(300, irregular=True, seed=4)
    built = build(spec, frame)
    ordered = frame.sort("unit", "at")
    closed = "left" if target == "y" else "right"
    for statistic in ("mean", "std", "min", "max", "sum", "median"):
        for window in ("6h", "24h"):
            rolling = getattr(pl.col(target), f"rolling_{statistic}_by")
            theirs = ordered.select(rolling("at", window_size=window, closed=closed).over("unit"))[target]
            ours = built[f"{target}_{statistic}_{window}"]
            if statistic == "sum":  # where a window holds nothing but nulls, polars says 0 and we say null
                theirs = pl.select(pl.when(ours.is_not_null()).then(theirs)).to_series()
            assert ours.is_null().to_list() == theirs.is_null().to_list(), statistic
            np.testing.assert_allclose(ours.drop_nulls(), theirs.drop_nulls(), rtol=1e-9, atol=1e-9)


def test_windows_forget_what_left_them() -> None:
    """A huge value long ago leaves no trace, where a running sum would keep its rounding error for ever."""
    spec = model(
        features={
            "inputs": ["a"],
            "rolling": {"columns": ["a"], "windows": ["6h"], "statistics": ["mean", "std"]},
        }
    )
    frame = readings(100, units=1).with_columns(a=pl.col("a").fill_null(1.0))
    spiked = frame.with_columns(a=pl.when(pl.int_range(pl.len()) == 3).then(1e15).otherwise("a"))
    late = pl.col("at") > START + timedelta(hours=12)
    assert_frame_equal(build(spec, frame).filter(late), build(spec, spiked).filter(late), check_exact=True)


def test_a_constant_has_no_spread() -> None:
    spec = model(
        features={"inputs": ["a"], "rolling": {"columns": ["a"], "windows": ["24h"], "statistics": ["std"]}}
    )
    built = build(spec, readings(100, units=1).with_columns(a=pl.lit(0.1)))
    assert built["a_std_24h"].drop_nulls().max() < 1e-15  # type: ignore[operator]


def test_calendar_is_local_and_right_across_daylight_saving() -> None:
    spec = model(features={"inputs": ["a"], "calendar": ["hour", "day_of_week"], "timezone": "Europe/Berlin"})
    times = [datetime(2025, 3, 30, hour, tzinfo=UTC) for hour in range(3)]
    autumn = [datetime(2025, 10, 26, hour, tzinfo=UTC) for hour in range(3)]
    frame = pl.DataFrame({"at": [*times, *autumn], "unit": "u", "a": 1.0, "y": 1.0})
    assert build(spec, frame)["at_hour"].to_list() == [1, 3, 4, 2, 2, 3]
    assert build(spec, frame)["at_day_of_week"].to_list() == [6] * 6


def test_holidays_of_a_region_by_local_date() -> None:
    spec = model(features={"inputs": ["a"], "holidays": "DE-BY", "timezone": "Europe/Berlin"})
    times = [
        datetime(2025, 1, 5, 22, 59, tzinfo=UTC),
        datetime(2025, 1, 5, 23, 1, tzinfo=UTC),
        datetime(2025, 1, 7, tzinfo=UTC),
    ]
    frame = pl.DataFrame({"at": times, "unit": "u", "a": 1.0, "y": 1.0})
    assert build(spec, frame)["at_holiday"].to_list() == [0.0, 1.0, 0.0]


def test_a_forecast_is_labelled_by_time_not_by_position() -> None:
    spec = model(problem="forecasting", features={"inputs": ["a"], "horizon": "2h"})
    built = build(spec, two_units())
    assert built.filter(unit="u")["y"].to_list() == [30.0, None, None, None]
    assert built.filter(unit="u")["y_now"].to_list() == [10.0, 20.0, 30.0, 40.0]
    assert built.filter(unit="v")["y"].to_list() == [3.0, None, None, None]


def test_a_horizon_outside_forecasting_is_refused() -> None:
    with pytest.raises(DataError, match="belongs to 'problem: forecasting'"):
        build(model(features={"inputs": ["a"], "horizon": "2h"}), two_units())


def test_unset_inputs_are_all_columns_but_those_set_apart() -> None:
    spec = model(
        features={"exclude": ["b"]}, evaluation={"primary": "rmse", "sensitive": ["kind"], "slices": ["b"]}
    )
    built = build(spec, readings(10))
    assert built.columns == ["at", "unit", "y", "b", "kind", "a"]
    assert feature_names(spec, built.columns) == ("a",)


def test_the_entity_may_be_an_input() -> None:
    built = build(spec := model(features={"inputs": ["unit", "a"]}), readings(10))
    assert feature_names(spec, built.columns) == ("unit", "a")


def test_without_timestamp_and_entity() -> None:
    frame = pl.DataFrame({"y": ["p", "q"], "b": [True, None], "a": [1, 2]})
    built = build(wine(), frame)
    assert built.to_dict(as_series=False) == {"y": ["p", "q"], "a": [1.0, 2.0], "b": [1.0, None]}


def test_float32_on_request() -> None:
    built = build(model(features={"inputs": ["a"], "precision": "float32"}), readings(10))
    assert built.schema["a"] == pl.Float32
    assert built.schema["y"] == pl.Float64


def test_nan_and_infinity_become_missing() -> None:
    frame = readings(4, units=1).with_columns(a=pl.Series([1.0, float("nan"), float("inf"), None]))
    assert build(model(features={"inputs": ["a"]}), frame)["a"].to_list() == [1.0, None, None, None]


def test_empty_and_single_rows() -> None:
    spec = model(features=EVERYTHING)
    assert build(spec, readings(5).clear()).height == 0
    assert build(spec, readings(1, units=1)).height == 1


def test_messages_name_the_column_and_the_mend() -> None:
    with pytest.raises(DataError, match=r"column 'flwo' is missing; did you mean 'flow'\?"):
        build(model(features={"inputs": ["flwo"]}), readings(4).rename({"a": "flow"}))
    with pytest.raises(DataError, match=r"'when' \(Date\); list them under features.exclude"):
        build(model(), readings(4).with_columns(when=pl.col("at").dt.date()))
    spec = model(features={"lags": {"columns": ["a"], "steps": [1]}})
    with pytest.raises(DataError, match="already have a column 'a_lag_1'"):
        build(spec, readings(4).with_columns(a_lag_1=1.0))
    with pytest.raises(DataError, match="1 rows have no 'unit'"):
        build(model(), readings(4, units=1).with_columns(unit=pl.Series(["u", None, "u", "u"])))

"""The online path answers exactly as the batch does, row by row, whatever a caller's rows look like."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.errors import DataError
from mlops_assets.features import build, feature_names, fit_preparation, online, recent, split
from mlops_assets_tests.unit.features.feature_factory import START, model, readings
from mlops_assets_tests.unit.features.test_build import EVERYTHING

SPEC = model(features=EVERYTHING)
INPUTS_ONLY = {
    **EVERYTHING,
    "lags": {"columns": ["a", "b"], "steps": [1, 3]},
    "differences": {"columns": ["a"], "steps": [1]},
    "rolling": {
        "columns": ["a", "b"],
        "windows": ["6h", "24h"],
        "statistics": ["mean", "std", "min", "max", "sum", "median", "count"],
    },
    "grouped": [{"by": "kind", "columns": ["b"], "statistics": ["mean", "std"]}],
}
CUT = START + timedelta(hours=250)


def test_a_thousand_rows_are_equal_to_the_last_bit() -> None:
    """Across the change to summer time, with nulls, unseen categories, shuffled columns, times as text."""
    spec = model(features=INPUTS_ONLY)
    frame = readings(600, irregular=True, seed=8)
    late = pl.col("at") > CUT
    unseen = late & pl.Series(np.random.default_rng(1).random(frame.height) < 0.2)
    frame = frame.with_columns(kind=pl.when(unseen).then(pl.lit("violet")).otherwise("kind"))
    batch = build(spec, frame)
    preparation = fit_preparation(spec, split(spec, batch.filter(~late)).train)
    names = ("at", "unit", *feature_names(spec, batch.columns))
    compared = 0
    for rows in frame.filter(late).sample(1_000, seed=2).sort("at").iter_slices(50):
        earlier = frame.filter(pl.col("at") < rows["at"][0])
        between = frame.filter(pl.col("at") >= rows["at"][0], pl.col("at") <= rows["at"][-1])
        history = pl.concat([recent(spec, earlier), between.join(rows, on=["at", "unit"], how="anti")])
        shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
        sent = shuffled.select(sorted(rows.columns, reverse=True)).drop("y")
        response = online(spec, history, sent.with_columns(pl.col("at").dt.strftime("%Y-%m-%dT%H:%M:%S%.fZ")))
        expected = shuffled.select("at", "unit").join(
            batch, on=["at", "unit"], how="left", maintain_order="left"
        )
        assert_frame_equal(response.select(names), expected.select(names), check_exact=True)
        np.testing.assert_array_equal(preparation.apply(response).values, preparation.apply(expected).values)
        compared += response.height
    assert compared == 1_000


def test_features_of_the_target_are_equal_when_its_past_is_known() -> None:
    frame = readings(300, irregular=True, seed=9)
    batch = build(SPEC, frame)
    names = feature_names(SPEC, batch.columns)
    for row in frame.filter(pl.col("at") > CUT).sample(40, seed=5).iter_slices(1):
        response = online(SPEC, recent(SPEC, frame.filter(pl.col("at") < row["at"][0])), row.drop("y"))
        expected = row.select("at", "unit").join(batch, on=["at", "unit"], how="left")
        assert_frame_equal(
            response.select("at", "unit", *names), expected.select("at", "unit", *names), check_exact=True
        )


def test_recent_is_small() -> None:
    frame = readings(600)
    assert recent(SPEC, frame).height <= 3 * 27
    assert recent(model(), frame).height == 0


def test_a_reading_already_known_is_not_counted_twice() -> None:
    frame = readings(100, units=1)
    again = frame.tail(1)
    assert_frame_equal(online(SPEC, frame, again), online(SPEC, frame.head(99), again))


@pytest.mark.parametrize("steps", [1, 3])
def test_a_row_at_the_newest_reading_has_the_lags_of_the_batch(steps: int) -> None:
    """Lags alone: no window keeps further readings that would hide a missing step."""
    spec = model(features={"inputs": ["a", "b"], "lags": {"columns": ["a"], "steps": [steps]}})
    frame = readings(100)
    newest = frame.filter(pl.col("at") == pl.col("at").max().over("unit"))
    lag = f"a_lag_{steps}"
    response = online(spec, recent(spec, frame), newest.drop("y")).select("at", "unit", lag)
    expected = newest.select("at", "unit").join(build(spec, frame), on=["at", "unit"], how="left")
    assert expected[lag].null_count() < expected.height
    assert_frame_equal(response, expected.select("at", "unit", lag), check_exact=True, check_row_order=False)


def test_an_entity_never_seen_has_no_past() -> None:
    row = readings(1, units=1).with_columns(unit=pl.lit("new")).drop("y")
    response = online(SPEC, recent(SPEC, readings(50)), row)
    assert response["a_lag_1"].to_list() == [None]
    assert response["y_count_6h"].to_list() == [0.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at": "yesterday"}, "'yesterday' is not an instant such as"),
        ({"b": "much"}, "column 'b' holds text"),
    ],
)
def test_what_cannot_be_used_is_named(change: dict[str, Any], message: str) -> None:
    frame = readings(100)
    batch = build(SPEC, frame)
    row = {"at": "2025-04-01T00:00:00Z", "unit": "u1", "a": 1.0, "b": 2.0, "kind": "red"} | change
    with pytest.raises(DataError, match=message):
        fit_preparation(SPEC, batch).apply(online(SPEC, recent(SPEC, frame), pl.DataFrame([row])))


def test_a_missing_column_is_named() -> None:
    with pytest.raises(DataError, match="column 'b' is missing"):
        online(SPEC, readings(5), readings(1).drop("b"))

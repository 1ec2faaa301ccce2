"""The grid of the recent past: exact in time, one entity at a time, the same online, and never a feature."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.features import build, computed_names, feature_names, fit_preparation, online, recent
from mlops_assets.model_file.consistency import inconsistencies
from mlops_assets.model_file.features import TIME
from mlops_assets_tests.unit.features.feature_factory import START, model, readings

SPEC = model(
    problem="forecasting",
    features={
        "horizon": "3h",
        "history": {"every": "1h", "steps": 5, "columns": ["b"]},
        "scaling": "standard",
    },
)
GRID = computed_names(SPEC, "grid")


def test_each_column_is_the_reading_exactly_that_much_earlier() -> None:
    frame = readings(40, units=2).filter(pl.col("at") != START + timedelta(hours=20))
    built = build(SPEC, frame)
    assert GRID[:5] == ("y@0", "y@-1", "y@-2", "y@-3", "y@-4")
    known = {(row["unit"], row["at"]): row for row in frame.iter_rows(named=True)}
    for row in built.iter_rows(named=True):
        for back in range(5):
            earlier = known.get((row["unit"], row["at"] - timedelta(hours=back)), {"y": None, "b": None})
            assert row[f"y@{-back}"] == earlier["y"]
            assert row[f"b@{-back}"] == earlier["b"]
    assert built["y@-1"].null_count() == 2 * 2, "the first reading, and the one after the gap"


def test_the_grid_is_no_feature_and_comes_only_where_it_is_asked_for() -> None:
    built = build(SPEC, readings(60))
    assert not set(GRID) & set(feature_names(SPEC, built.columns))
    plain, past = fit_preparation(SPEC, built), fit_preparation(SPEC, built, past=True)
    assert not set(plain.names) & {*GRID, TIME}
    assert past.names[-len(GRID) - 1 :] == (*GRID, TIME)
    matrix = past.apply(built)
    np.testing.assert_array_equal(matrix.values[:, past.names.index("y@0")], built["y@0"].to_numpy())
    np.testing.assert_array_equal(matrix.values[:, -1], built["at"].dt.epoch("s").to_numpy())
    assert {number.width for number in past.numbers} == {1.0}, "past and future of a column share its units"
    assert {number.width for number in plain.numbers} != {1.0}


def test_online_rows_have_the_same_past() -> None:
    frame = readings(60)
    cut = START + timedelta(hours=50)
    earlier, later = frame.filter(pl.col("at") < cut), frame.filter(pl.col("at") >= cut)
    response = online(SPEC, recent(SPEC, earlier), later).sort("unit", "at")
    expected = build(SPEC, frame).filter(pl.col("at") >= cut).sort("unit", "at")
    assert_frame_equal(response.select(GRID), expected.select(GRID), check_exact=True)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"features": {"horizon": "90m"}}, "must be a multiple"),
        (
            {"problem": "regression", "features": {"horizon": None, "history": {"columns": []}}},
            "must name the columns",
        ),
        (
            {"problem": "regression", "features": {"horizon": None, "history": {"columns": ["y"]}}},
            "not known at",
        ),
        ({"training": {"algorithms": [{"name": "arima"}]}}, "learns one series"),
        (
            {"entity": None, "features": {"history": None}, "training": {"algorithms": [{"name": "arima"}]}},
            "forecasts from the recent past",
        ),
    ],
)
def test_contradictions_are_named(changes: dict[str, object], message: str) -> None:
    body = SPEC.model_dump(mode="json")
    for key, value in changes.items():
        body[key] = {**body[key], **value} if isinstance(value, dict) else value
    if isinstance(body["features"]["history"], dict):
        body["features"]["history"] = {"every": "1h", "steps": 5, **body["features"]["history"]}
    result = [sentence for _, sentence in inconsistencies(model(**body))]
    assert any(message in sentence for sentence in result), result

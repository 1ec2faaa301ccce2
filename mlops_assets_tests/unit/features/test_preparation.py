"""What is learned from the training part: nothing from elsewhere, the same after a round trip, closed to surprises."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.artifacts import Profile, from_json, to_json
from mlops_assets.binning import actual_bins, expected_bins
from mlops_assets.drift_methods import psi
from mlops_assets.errors import DataError
from mlops_assets.features import Preparation, build, fit_preparation, profile
from mlops_assets_tests.unit.features.feature_factory import model, readings, wine

TRAIN = pl.DataFrame(
    {
        "y": [1.0, 2.0, 3.0, 4.0],
        "a": [1.0, None, 3.0, 8.0],
        "kind": ["red", "green", "red", None],
        "flag": [True, False, None, True],
        "empty": pl.Series([None] * 4, dtype=pl.Float64),
        "same": [5.0] * 4,
    }
)


def plain(**features: Any) -> Any:
    return wine(
        problem="regression",
        training={"algorithms": [{"name": "ridge"}]},
        evaluation={"primary": "rmse"},
        features=features,
    )


def fitted(**features: Any) -> Preparation:
    spec = plain(**features)
    return fit_preparation(spec, build(spec, TRAIN))


def test_filling_and_what_is_left_out() -> None:
    result = fitted()
    assert result.names == ("a", "flag", "kind=green", "kind=red")
    assert result.inputs == ("a", "flag", "kind")
    assert result.dropped == {"empty": "missing in every training row", "same": "5.0 in every training row"}
    matrix = result.apply(build(plain(), TRAIN))
    assert matrix.values[:, 0].tolist() == [1.0, 3.0, 3.0, 8.0]
    assert matrix.values[:, 2:].tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]


@pytest.mark.parametrize(("how", "value"), [("mean", 4.0), ("zero", 0.0), ("keep", float("nan"))])
def test_ways_to_fill(how: str, value: float) -> None:
    filled = fitted(missing=how).apply(build(plain(), TRAIN)).values[1, 0]
    np.testing.assert_equal(filled, value)


def test_scaling_uses_training_rows_only() -> None:
    for how, spread in (("standard", lambda column: column.std()), ("min_max", np.ptp)):
        values = fitted(scaling=how).apply(build(plain(), TRAIN)).values[:, 0]
        assert spread(values) == pytest.approx(1.0)
        one = fitted(scaling=how).apply(build(plain(), TRAIN).head(1)).values[0, 0]
        assert one == values[0]


def test_unseen_values_never_fail() -> None:
    new = build(plain(), TRAIN.with_columns(kind=pl.lit("violet")))
    assert fitted().apply(new).values[:, 2:].sum() == 0.0
    assert fitted(categories="ordinal").apply(new).values[:, 2].tolist() == [-1.0] * 4
    assert fitted(categories="target").apply(new).values[:, 2].tolist() == [2.5] * 4


def test_target_encoding_leans_on_the_overall_mean() -> None:
    encoded = fitted(categories="target").apply(build(plain(), TRAIN)).values[:, 2]
    assert encoded[0] == pytest.approx((1 + 3 + 20 * 2.5) / 22)
    assert encoded[3] == 2.5  # a missing value


def test_group_statistics_of_training_rows() -> None:
    grouped = [{"by": "kind", "columns": ["a"], "statistics": ["mean", "count"]}]
    matrix = fitted(grouped=grouped).apply(build(plain(grouped=grouped), TRAIN))
    index = matrix.names.index("a_mean_by_kind")
    assert matrix.values[:, index].tolist() == [2.0, 4.0, 2.0, 4.0]
    assert matrix.values[:, matrix.names.index("a_count_by_kind")].tolist() == [2.0, 0.0, 2.0, 0.0]


def test_json_round_trip_keeps_every_bit() -> None:
    spec = model(
        features={"scaling": "standard", "lags": {"columns": ["a"], "steps": [1]}, "categories": "target"}
    )
    frame = build(spec, readings(200))
    one = fit_preparation(spec, frame)
    other = from_json(Preparation, json.loads(json.dumps(to_json(one))))
    assert one == other
    np.testing.assert_array_equal(one.apply(frame).values, other.apply(frame).values)


def test_the_frame_may_have_columns_in_any_order_and_more() -> None:
    frame = build(plain(), TRAIN)
    turned = frame.select(sorted(frame.columns, reverse=True)).with_columns(extra=pl.lit(1))
    np.testing.assert_array_equal(fitted().apply(frame).values, fitted().apply(turned).values)


def test_what_does_not_fit_is_named() -> None:
    frame = build(plain(), TRAIN)
    with pytest.raises(DataError, match=r"column 'flag' is missing; did you mean 'flags'\?"):
        fitted().apply(frame.rename({"flag": "flags"}))
    with pytest.raises(DataError, match="'a' holds String, the model was trained on numbers"):
        fitted().apply(frame.with_columns(a=pl.lit("much")))
    with pytest.raises(DataError, match="'a' holds an infinite value"):
        fitted().apply(frame.with_columns(a=pl.lit(float("inf"))))
    with pytest.raises(DataError, match=r"no feature is left to train on: same: 5.0 in every training row"):
        fit_preparation(plain(inputs=["same"]), frame)
    with pytest.raises(DataError, match="no feature is left to train on: the rows have no columns besides"):
        fit_preparation(plain(inputs=[]), frame.select(plain().target))


def test_an_empty_frame_gives_an_empty_matrix() -> None:
    assert fitted().apply(build(plain(), TRAIN).clear()).values.shape == (0, 4)


def test_a_wide_row_costs_no_more_questions_than_a_narrow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Polars makes schema and names anew at each asking: asked once per column, they were nine tenths of an answer."""
    requested: list[str] = []
    for what in ("schema", "columns"):
        true = getattr(pl.DataFrame, what).fget

        def counted(frame: pl.DataFrame, what: str = what, true: Any = true) -> Any:
            requested.append(what)
            return true(frame)

        monkeypatch.setattr(pl.DataFrame, what, property(counted))
    counts = []
    for width in (5, 200):
        rows = {f"a{index}": np.arange(60.0) + index for index in range(width)} | {"y": np.arange(60.0)}
        frame = pl.DataFrame(rows)
        spec = plain()
        prepared = fit_preparation(spec, build(spec, frame))
        requested.clear()
        prepared.apply(build(spec, frame.head(1)))
        counts.append(len(requested))
    assert counts[0] == counts[1]


def test_profile_of_itself_has_no_divergence() -> None:
    frame = build(model(), readings(500)).with_columns(
        rare=pl.lit(3.0), few=(pl.col("a") > 50).cast(pl.Float64)
    )
    result = from_json(Profile, to_json(profile(frame, ("a", "b", "kind", "rare", "few"))))
    for name, column in result.columns.items():
        assert sum(expected_bins(column).proportions) == pytest.approx(1.0)
        assert psi(expected_bins(column), actual_bins(column, frame[name])) == pytest.approx(0.0, abs=1e-12)
    assert len(result.columns["a"].shares) == 10
    assert result.columns["a"].missing == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("value", [2.9, 3.1])
def test_a_constant_that_moves_is_seen(value: float) -> None:
    column = profile(pl.DataFrame({"c": [3.0] * 100}), ("c",)).columns["c"]
    assert psi(expected_bins(column), actual_bins(column, pl.Series("c", [value] * 100))) > 5.0


@pytest.mark.parametrize("share", [0.5, 0.9, 0.954, 0.999])
def test_a_column_of_zeros_that_moves_is_seen(share: float) -> None:
    """The quantiles of such a column are all 0: without a bin for the zeros, nothing above them is seen."""
    random = np.random.default_rng(0)
    values = np.where(random.random(4_000) < share, 0.0, random.exponential(1.0, 4_000))
    column = profile(pl.DataFrame({"a": values}), ("a",)).columns["a"]
    assert psi(expected_bins(column), actual_bins(column, pl.Series("a", values))) == pytest.approx(0.0)
    assert psi(expected_bins(column), actual_bins(column, pl.Series("a", 700 + 9 * values))) > 1.0
    half = pl.Series("a", np.where(np.arange(4_000) % 2 == 0, 0.0, 1.0))
    if share > 0.5:
        assert psi(expected_bins(column), actual_bins(column, half)) > 0.25


def test_every_heavy_value_has_a_bin_of_its_own() -> None:
    random = np.random.default_rng(1)
    values = np.concatenate([np.zeros(400), np.full(300, 5.0), random.uniform(-10, 10, 300)])
    edges = profile(pl.DataFrame({"a": values}), ("a",)).columns["a"].edges
    for tie in (0.0, 5.0):
        assert {tie, float(np.nextafter(tie, np.inf))} <= set(edges)
    assert len(edges) <= 2 * 10


def test_profile_without_values_and_unknown_columns() -> None:
    column = profile(pl.DataFrame({"c": pl.Series([None], dtype=pl.Float64)}), ("c",)).columns["c"]
    assert (column.shares, column.missing, column.mean) == ((), 1.0, None)
    with pytest.raises(DataError, match="no column 'd' to profile"):
        profile(pl.DataFrame({"c": [1.0]}), ("d",))

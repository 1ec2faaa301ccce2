"""Prediction intervals: they hold what they promise on rows like those they were learnt from, or there are none."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from mlops_assets import training
from mlops_assets.artifacts import Bounds, Interval, from_json, to_json
from mlops_assets.model_file.training import TargetTransform

Floats = NDArray[np.float64]


def skewed(rows: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Truths that lie above their answers more often than not, and the answers."""
    predictions = rng.uniform(1, 50, rows)
    return predictions * np.exp(rng.gamma(2.0, 0.3, rows) - 0.3), predictions


def share_inside(bounds: Bounds, truth: Floats) -> float:
    return float(((bounds.low <= truth) & (truth <= bounds.high)).mean())


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("scale", ["none", "log1p"])
@pytest.mark.parametrize("rows", [25, 40, 300])
def test_new_rows_lie_inside_as_often_as_promised(level: float, scale: TargetTransform, rows: int) -> None:
    """The promise is about the mean over calibrations: at least the level, at most 2 / (rows + 1) above it."""
    rng = np.random.default_rng(rows)
    shares_inside = []
    for _ in range(400):
        interval = training.calibrate(level, *skewed(rows, rng), scale=scale)
        assert interval is not None
        truth, predictions = skewed(400, rng)
        shares_inside.append(share_inside(training.bounds(interval, predictions), truth))
    chance = 4 * np.std(shares_inside) / np.sqrt(len(shares_inside))
    assert level - chance < np.mean(shares_inside) < level + 2 / (rows + 1) + chance


def test_both_sides_miss_alike_however_the_errors_lean() -> None:
    rng = np.random.default_rng(1)
    interval = training.calibrate(0.9, *skewed(5_000, rng))
    truth, predictions = skewed(20_000, rng)
    assert interval is not None
    assert interval.above > 2 * interval.below
    bounds = training.bounds(interval, predictions)
    assert (truth < bounds.low).mean() == pytest.approx(0.05, abs=0.015)
    assert (truth > bounds.high).mean() == pytest.approx(0.05, abs=0.015)


def test_distances_are_those_of_the_corrected_ranks() -> None:
    distances = np.random.default_rng(0).permutation(
        np.arange(1.0, 40.0)
    )  # 39 distances: ranks 2 and 38 of 40
    interval = training.calibrate(0.9, distances, np.zeros(39))
    assert interval == Interval(0.9, -2.0, 38.0, 39)
    assert training.bounds(interval, np.array([100.0])).low.tolist() == [102.0]


@pytest.mark.parametrize(("level", "rows"), [(0.9, 19), (0.95, 39), (0.99, 199)])
def test_too_few_rows_for_the_level_are_no_interval(level: float, rows: int) -> None:
    truth = np.arange(float(rows))
    assert training.calibrate(level, truth, np.zeros(rows)) is not None
    assert training.calibrate(level, truth[1:], np.zeros(rows - 1)) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_answer_or_truth_that_is_no_number_is_no_interval(bad: float) -> None:
    good, broken = np.arange(200.0), np.where(np.arange(200) == 3, bad, 1.0)
    assert training.calibrate(0.9, good, broken) is None
    assert training.calibrate(0.9, broken, good) is None
    assert training.calibrate(0.9, good - 1.0, good, scale="log1p") is None, "-1 has no logarithm"


def test_bounds_of_logarithms_are_shares_of_the_answer() -> None:
    interval = training.calibrate(0.9, *skewed(500, np.random.default_rng(2)), scale="log1p")
    assert interval is not None
    bounds = training.bounds(interval, np.array([9.0, 99.0]))
    np.testing.assert_allclose((bounds.high + 1) / [10.0, 100.0], np.exp(interval.above))
    np.testing.assert_allclose((bounds.low + 1) / [10.0, 100.0], np.exp(-interval.below))


def test_a_row_without_finite_bounds_has_none() -> None:
    bounds = training.bounds(Interval(0.9, 1.0, 800.0, 50, "log1p"), np.array([3.0, np.nan]))
    assert np.isnan(bounds.low).all()
    assert np.isnan(bounds.high).all()


def test_an_entity_with_rows_enough_has_distances_of_its_own() -> None:
    rng = np.random.default_rng(3)
    names = np.repeat(["quiet", "noisy", "rare"], [400, 400, 99])
    size = np.repeat([1.0, 10.0, 3.0], [400, 400, 99])
    interval = training.calibrate(
        0.9, rng.normal(size=899) * size, np.zeros(899), entity=pl.Series("service", names)
    )
    assert interval is not None
    assert (interval.entity, set(interval.entities)) == ("service", {"quiet", "noisy"})
    services = pl.Series("service", ["quiet", "noisy", "rare", "new", None])
    bounds = training.bounds(interval, np.zeros(5), services)
    assert bounds.high[0] < 2 < 14 < bounds.high[1]
    assert set(bounds.high[2:]) == {interval.above}
    whole = training.bounds(interval, np.zeros(5))
    assert set(whole.high) == {interval.above}, "without the column all share one distance"
    assert from_json(Interval, to_json(interval)) == interval


def test_entities_may_be_numbers() -> None:
    interval = training.calibrate(0.8, np.arange(300.0), np.zeros(300), entity=pl.Series("shop", [7] * 300))
    assert interval is not None
    assert training.bounds(interval, np.zeros(1), pl.Series("shop", [7])).high.tolist() == [270.0]

"""Whether other features matter now: few rows and chance never read as a change, a real turnover does."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from mlops_assets.artifacts import Explanation, ImportanceReport, from_json, to_json
from mlops_assets.evaluation import ShapValues, importance_drift
from mlops_assets.metrics import Floats
from mlops_assets.retraining import importance_signal
from mlops_assets_tests.unit.features.feature_factory import model

AS_OF = datetime(2026, 6, 1, tzinfo=UTC)
NAMES = tuple("abcdefgh")
SIZES = np.array([8.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.3, 0.2])


def shap(sizes: Floats, rows: int = 200, seed: int = 0) -> ShapValues:
    values = np.random.default_rng(seed).normal(size=(rows, len(sizes))) * sizes
    return ShapValues(NAMES, values, values, np.zeros(rows), "exact, 200 rows")


def judged(rows: int = 500) -> Explanation:
    means = np.abs(shap(SIZES, rows, seed=9).values).mean(axis=0)
    return Explanation("exact", rows, tuple(zip(NAMES, means.tolist(), strict=True)))


def report(recent: ShapValues, before: Explanation) -> ImportanceReport:
    return importance_drift("pump", 3, AS_OF, before, recent, seed=0)


def test_the_same_features_in_other_rows_are_unchanged() -> None:
    results = [report(shap(SIZES, seed=seed), judged()) for seed in range(20)]
    assert {one.level for one in results} == {"unchanged"}
    first = results[0]
    assert first.correlation is not None
    assert first.low is not None
    assert first.high is not None
    assert first.low <= first.correlation <= first.high
    assert [one.feature for one in first.features[:3]] == ["a", "b", "c"]
    assert not any(one.has_moved for result in results for one in result.features[:3])
    assert all(one.low <= one.recent <= one.high for one in first.features)
    assert from_json(ImportanceReport, to_json(first)) == first


def test_a_turned_ranking_is_changed_and_names_the_features() -> None:
    result = report(shap(SIZES[::-1]), judged())
    assert result.level == "changed"
    assert "h (rank 8, now 1)" in result.sentence
    signal = importance_signal(model(), result)
    assert signal is not None
    assert signal.active
    assert {"a", "h"} <= set(signal.features)
    assert "the rank correlation with the holdout is -" in signal.reason


def test_noise_among_equal_features_is_no_change() -> None:
    """All features matter alike: the correlation is chance, its interval is wide."""
    equal = np.ones(8)
    means = np.abs(shap(equal, 500, seed=9).values).mean(axis=0)
    before = Explanation("exact", 500, tuple(zip(NAMES, means.tolist(), strict=True)))
    levels = [report(shap(equal, seed=seed), before).level for seed in range(20)]
    assert levels.count("changed") == 0


def autocorrelated(sizes: Floats, rho: float, seed: int, rows: int = 200) -> ShapValues:
    """SHAP values of rows each of which resembles the one before."""
    noise = np.random.default_rng(seed).normal(size=(rows, len(sizes)))
    values = np.empty_like(noise)
    values[0] = noise[0]
    for index in range(1, rows):
        values[index] = rho * values[index - 1] + np.sqrt(1 - rho**2) * noise[index]
    values = values * sizes
    return ShapValues(NAMES, values, values, np.zeros(rows), "exact, 200 rows")


@pytest.mark.parametrize("rho", [0.8, 0.9, 0.95])
def test_rows_that_resemble_their_neighbors_are_no_change(rho: float) -> None:
    equal, levels = np.ones(8), []
    for seed in range(60):
        means = np.abs(autocorrelated(equal, rho, 1_000 + seed, 500).values).mean(axis=0)
        before = Explanation("exact", 500, tuple(zip(NAMES, means.tolist(), strict=True)))
        levels.append(report(autocorrelated(equal, rho, seed), before).level)
    assert levels.count("changed") <= 1  # with rows resampled one by one: 1, 3 and 17


def test_a_turned_ranking_of_such_rows_is_changed() -> None:
    levels = [report(autocorrelated(SIZES[::-1], 0.8, seed), judged()).level for seed in range(20)]
    assert levels.count("changed") >= 15


def test_rows_worth_few_independent_ones_are_unmeasurable() -> None:
    result = report(autocorrelated(SIZES, 0.99, seed=1), judged())
    assert result.level == "unmeasurable"
    assert "a longer monitoring.window has" in result.sentence


@pytest.mark.parametrize(
    ("recent", "before"),
    [
        (shap(SIZES, 29), judged()),
        (shap(SIZES), judged(20)),
        (shap(np.zeros(8)), judged()),
        (shap(SIZES * np.nan), judged()),
    ],
)
def test_what_says_nothing_is_unmeasurable(recent: ShapValues, before: Explanation) -> None:
    result = report(recent, before)
    assert (result.level, result.features) == ("unmeasurable", ())
    assert importance_signal(model(), result) is None

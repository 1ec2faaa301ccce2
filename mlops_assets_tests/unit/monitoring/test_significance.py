"""p-values against scipy's own tests, and rankings by hand."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats

from mlops_assets.artifacts import Explanation
from mlops_assets.features import profile
from mlops_assets.monitoring import importance_drift, prediction_drift
from mlops_assets.monitoring.significance import chi_squared, corrected, kolmogorov_smirnov
from mlops_assets_tests.unit.features.feature_factory import model


def test_chi_squared_is_that_of_a_contingency_table() -> None:
    one, other = np.array([30, 50, 20, 0]), np.array([100, 80, 15, 5])
    expected = stats.chi2_contingency(np.array([one, other]))
    statistic, p = chi_squared((one / 100).tolist(), 100, (other / 200).tolist(), 200)
    assert statistic == pytest.approx(expected.statistic)
    assert p == pytest.approx(expected.pvalue)
    assert chi_squared([1.0], 5, [1.0], 5) == (0.0, 1.0)


def test_kolmogorov_smirnov_on_bins_is_never_bolder_than_on_samples() -> None:
    chance = np.random.default_rng(0)
    for shift in (0.0, 0.1, 0.5):
        one, other = chance.normal(size=2_000), chance.normal(shift, size=1_000)
        edges = np.quantile(one, np.linspace(0.1, 0.9, 9))
        shares = [
            np.bincount(np.searchsorted(edges, values, side="right"), minlength=10) / len(values)
            for values in (one, other)
        ]
        distance, p = kolmogorov_smirnov(shares[0].tolist(), 2_000, shares[1].tolist(), 1_000)
        whole = stats.ks_2samp(one, other, method="asymp")
        assert distance <= whole.statistic + 1e-12
        assert distance == pytest.approx(whole.statistic, abs=0.03)
        assert p >= whole.pvalue * 0.9


def test_holm() -> None:
    assert corrected({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx({"a": 0.03, "c": 0.06, "b": 0.06})
    assert corrected({}) == {}


def test_false_alarms_stay_rare_over_many_features() -> None:
    chance = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        values = {
            f"f{i}": kolmogorov_smirnov(
                [0.1] * 10, 5_000, (chance.multinomial(1_000, [0.1] * 10) / 1_000).tolist(), 1_000
            )[1]
            for i in range(50)
        }
        alarms += min(corrected(values).values()) < 0.05
    assert alarms <= 4


def test_prediction_drift() -> None:
    chance = np.random.default_rng(2)
    reference = profile(pl.DataFrame({"p": chance.normal(size=5_000)}), ("p",)).columns["p"]
    same = prediction_drift(model(), reference, 5_000, pl.Series(chance.normal(size=500)))
    moved = prediction_drift(model(), reference, 5_000, pl.Series(chance.normal(1, size=500)))
    assert (same.level, moved.level) == ("stable", "significant")
    assert same.statistics["p_corrected"] > 0.01
    assert moved.statistics["p_corrected"] < 1e-6
    assert prediction_drift(model(), reference, 5_000, pl.Series([1.0] * 10)).level == "unmeasurable"
    labels = profile(pl.DataFrame({"p": ["a"] * 90 + ["b"] * 10}), ("p",)).columns["p"]
    assert prediction_drift(model(), labels, 100, pl.Series(["a"] * 50 + ["b"] * 50)).level == "significant"


def explained(**importance: float) -> Explanation:
    ranked = sorted(importance.items(), key=lambda one: -one[1])
    return Explanation("tree", 100, tuple(ranked))


def test_importance_drift() -> None:
    before = explained(a=5.0, b=4.0, c=3.0, d=2.0, e=1.0)
    same = importance_drift(model(), before, explained(a=9.0, b=4.0, c=3.0, d=2.0, e=1.0))
    assert same.correlation == pytest.approx(1.0)
    assert not same.changed
    assert same.moved == ()
    turned = importance_drift(model(), before, explained(a=1.0, b=2.0, c=3.0, d=4.0, e=5.0))
    assert turned.correlation == pytest.approx(-1.0)
    assert turned.changed
    assert turned.moved[0] == ("a", 1, 5)
    lost = importance_drift(model(), before, explained(b=4.0, c=3.0, d=2.0, e=1.0))
    assert ("a", 1, 5) in lost.moved
    assert importance_drift(model(), explained(a=1.0), explained(a=2.0)).correlation is None

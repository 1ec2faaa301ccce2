"""p-values against SciPy's own tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mlops_assets.monitoring.significance import chi_squared, holm_corrected, kolmogorov_smirnov_test


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
        distance, p = kolmogorov_smirnov_test(shares[0].tolist(), 2_000, shares[1].tolist(), 1_000)
        whole = stats.ks_2samp(one, other, method="asymp")
        assert distance <= whole.statistic + 1e-12
        assert distance == pytest.approx(whole.statistic, abs=0.03)
        assert p >= whole.pvalue * 0.9


def test_holm() -> None:
    assert holm_corrected({"a": 0.01, "b": 0.04, "c": 0.03}) == pytest.approx(
        {"a": 0.03, "c": 0.06, "b": 0.06}
    )
    assert holm_corrected({}) == {}


def test_false_alarms_stay_rare_over_many_features() -> None:
    chance = np.random.default_rng(1)
    alarms = 0
    for _ in range(40):
        values = {
            f"f{i}": kolmogorov_smirnov_test(
                [0.1] * 10, 5_000, (chance.multinomial(1_000, [0.1] * 10) / 1_000).tolist(), 1_000
            )[1]
            for i in range(50)
        }
        alarms += min(holm_corrected(values).values()) < 0.05
    assert alarms <= 4

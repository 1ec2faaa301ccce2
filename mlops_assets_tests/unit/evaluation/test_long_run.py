"""The variance of a sum of autocorrelated values is that of its process, also where noise hides the slow part."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.promotion_simulation import errors
from mlops_assets.evaluation.long_run import long_run


@pytest.mark.parametrize(("phi", "noise"), [(0.0, 0.0), (0.5, 0.0), (0.9, 0.0), (0.9, 1.5)])
def test_the_variance_is_that_of_the_process(phi: float, noise: float) -> None:
    rng = np.random.default_rng(1)
    rows = 4_000
    runs = [long_run(errors(rng, rows, phi) + noise * rng.normal(size=rows)) for _ in range(40)]
    expected = (1 + phi) / (1 - phi) + noise**2
    assert np.mean([run.variance for run in runs]) / rows == pytest.approx(expected, rel=0.15)
    periods = rows * (1 + noise**2) / expected
    assert np.median([run.periods for run in runs]) == pytest.approx(periods, rel=0.5)


def test_a_slow_part_below_noise_is_suspected_in_a_short_series() -> None:
    rng = np.random.default_rng(2)
    rows, outside = 100, 0
    for _ in range(200):
        series = errors(rng, rows, 0.9)
        series += 1.5 * rng.normal(size=rows)
        outside += abs(series.sum()) > 1.96 * np.sqrt(long_run(series).variance)
    assert outside / 200 <= 0.15, "the plain block rule gives 25 %"


def test_constant_and_tiny_series_have_no_variance() -> None:
    assert long_run(np.ones(50)).variance == 0
    assert long_run(np.array([1.0, 2.0, 4.0, 3.0])).variance == 0

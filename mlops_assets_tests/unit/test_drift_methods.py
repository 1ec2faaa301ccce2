"""Drift methods: worked examples, agreement with SciPy, and what every method must do."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from mlops_assets.drift_methods import (
    DRIFT_METHODS,
    ZERO_FILL,
    Bins,
    jensen_shannon,
    kl,
    kolmogorov_smirnov,
    psi,
    wasserstein,
)

EDGES = (-0.5, 0.0, 0.5)


def bins(*proportions: float) -> Bins:
    return Bins(proportions)


def sample_bins(values: NDArray[np.float64]) -> Bins:
    counts = np.bincount(np.searchsorted(EDGES, values, side="right"), minlength=4)
    return Bins(tuple((counts / counts.sum()).tolist()), EDGES, 1.0)


def test_worked_examples() -> None:
    e, a = bins(0.5, 0.3, 0.2), bins(0.4, 0.4, 0.2)
    assert psi(e, a) == pytest.approx(-0.1 * math.log(0.8) + 0.1 * math.log(4 / 3), rel=1e-12)
    assert kl(e, a) == pytest.approx(0.4 * math.log(0.8) + 0.4 * math.log(4 / 3), rel=1e-12)
    assert psi(e, a) == pytest.approx(psi(a, e), rel=1e-12)
    assert psi(e, e) == kl(e, e) == 0.0


def test_empty_bins_count_as_the_stated_proportion() -> None:
    expected = (1.0 - ZERO_FILL) * math.log(1.0 / ZERO_FILL)
    assert psi(bins(1.0, 0.0), bins(0.0, 1.0)) == pytest.approx(2 * expected)


def test_jensen_shannon_is_that_of_scipy() -> None:
    from scipy.spatial.distance import jensenshannon

    for a, b in (((0.5, 0.3, 0.2), (0.4, 0.4, 0.2)), ((1.0, 0.0), (0.0, 1.0)), ((0.9, 0.1), (1.0, 0.0))):
        assert jensen_shannon(bins(*a), bins(*b)) == pytest.approx(jensenshannon(a, b, base=2))


def test_distances_between_samples_are_those_of_scipy_up_to_the_bins() -> None:
    from scipy import stats

    random = np.random.default_rng(0)
    one, other = random.uniform(-0.5, 0.5, 4_000), random.uniform(-0.5, 0.5, 4_000) ** 2
    before, now = sample_bins(one), sample_bins(other)
    assert kolmogorov_smirnov(before, now) == pytest.approx(stats.ks_2samp(one, other).statistic, abs=0.03)
    assert wasserstein(before, now) == pytest.approx(stats.wasserstein_distance(one, other), abs=0.12)


@pytest.mark.parametrize("name", DRIFT_METHODS)
@pytest.mark.parametrize(
    ("expected", "actual"),
    [
        ((0.5, 0.5), (1.0,)),
        ((float("nan"), 1.0), (0.5, 0.5)),
        ((-0.5, 1.5), (0.5, 0.5)),
        ((0.0, 0.0), (0.5, 0.5)),
        ((), ()),
        ((1.0,), (1.0,)),
    ],
)
def test_what_are_no_proportions_is_refused(
    name: str, expected: tuple[float, ...], actual: tuple[float, ...]
) -> None:
    with pytest.raises(ValueError, match="proportions"):
        DRIFT_METHODS[name].function(bins(*expected), bins(*actual))


@pytest.mark.parametrize("name", DRIFT_METHODS)
def test_every_method_is_zero_for_equal_and_grows_with_the_distance(name: str) -> None:
    method = DRIFT_METHODS[name]
    random = np.random.default_rng(1)
    values = random.normal(size=20_000)
    reference = sample_bins(values)
    moved = [method.function(reference, sample_bins(values + shift)) for shift in (0.0, 0.1, 0.3, 1.0)]
    assert moved[0] == pytest.approx(0.0, abs=1e-12)
    assert moved == sorted(moved)
    assert moved[2] > method.warn / 3
    assert moved[3] > method.act > method.warn > 0
    far = method.function(reference, sample_bins(np.full(100, 50.0)))
    assert math.isfinite(far)
    assert far > method.act


def test_the_docs_name_every_method_with_its_limits() -> None:
    docs = (Path(__file__).parents[2] / "docs" / "lifecycle.md").read_text(encoding="utf-8")
    for name, method in DRIFT_METHODS.items():
        [line] = [line for line in docs.splitlines() if line.startswith(f"| `{name}` |")]
        assert line.endswith(f"| {method.warn:g}, {method.act:g} |")

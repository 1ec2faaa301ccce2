"""Drift methods: how far one distribution has moved from another, as one number that is 0 for equal distributions.

Comes in: proportions of the same bins, before and now. Goes out: one number. Which columns are measured and what a
level means belongs to `validation` (a batch) and `monitoring` (production). The model file chooses by the names in
`DRIFT_METHODS`; a new method is one function and its line there.

Bins without rows: a proportion below `ZERO_FILL` counts as `ZERO_FILL`, on both sides, without scaling the rest again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mlops_assets.lazy_numpy import Floats, np

ZERO_FILL: Final = 1e-4


@dataclass(frozen=True, slots=True)
class Bins:
    """One column in bins.

    Attributes:
        proportions: Share of the present values in each bin; they add up to 1.
        edges: Between the bins of numbers, one fewer than bins; empty for categories.
        std: Standard deviation of the training values, for methods in units of it.
    """

    proportions: tuple[float, ...]
    edges: tuple[float, ...] = ()
    std: float | None = None


@dataclass(frozen=True, slots=True)
class DriftMethod:
    """One drift method.

    Attributes:
        label: Its name in sentences.
        function: From the bins before and now to one number; raises ValueError where it cannot be measured.
        warn: Default limit below which a feature is stable.
        act: Default limit above which its movement is significant.
        orders_bins: Whether the bins must be in the order of their values, so that only numbers can be measured.
        normal_power: Its values to this power are about normally distributed between windows of one source: 1/4 for a
            method that grows with the square of a small movement, 1/2 for a distance.
    """

    label: str
    function: Callable[[Bins, Bins], float]
    warn: float
    act: float
    orders_bins: bool = False
    normal_power: float = 0.5


def psi(expected: Bins, actual: Bins) -> float:
    """Compute the population stability index, sum((a - e) * ln(a / e)), symmetric and never negative.

    Siddiqi, Credit Risk Scorecards (2006): below 0.1 stable, to 0.25 moderate, above significant.

    Args:
        expected: Proportions of the training values by bin.
        actual: Proportions of the new values in the same bins.

    Returns:
        0 or above; zero proportions are replaced by a small one.

    Raises:
        ValueError: If the bins differ or the proportions are not proportions.
    """
    e, a = _filled(expected, actual)
    return float(np.sum((a - e) * np.log(a / e)))


def kl(expected: Bins, actual: Bins) -> float:
    """Compute the Kullback-Leibler divergence of actual from expected, sum(a * ln(a / e)), in nats.

    Args:
        expected: Proportions of the training values by bin.
        actual: Proportions of the new values in the same bins.

    Returns:
        0 or above, in nats; zero proportions are replaced by a small one.

    Raises:
        ValueError: If the bins differ or the proportions are not proportions.
    """
    e, a = _filled(expected, actual)
    return float(np.sum(a * np.log(a / e)))


def jensen_shannon(expected: Bins, actual: Bins) -> float:
    """Compute the Jensen-Shannon distance with base 2, from 0 to 1 (Endres & Schindelin 2003).

    Args:
        expected: Proportions of the training values by bin.
        actual: Proportions of the new values in the same bins.

    Returns:
        0 to 1.

    Raises:
        ValueError: If the bins differ or the proportions are not proportions.
    """
    e, a = _checked(expected, actual)
    middle = (e + a) / 2
    divergence = sum(
        float(np.sum(side[side > 0] * np.log2(side[side > 0] / middle[side > 0]))) for side in (e, a)
    )
    return float(np.sqrt(max(divergence / 2, 0.0)))


def kolmogorov_smirnov(expected: Bins, actual: Bins) -> float:
    """Compute the largest distance of the two cumulative distributions at the edges of the bins, from 0 to 1.

    Args:
        expected: Proportions of the training values by bin.
        actual: Proportions of the new values in the same bins.

    Returns:
        0 to 1.

    Raises:
        ValueError: If the bins differ or the proportions are not proportions.
    """
    e, a = _checked(expected, actual)
    return float(np.abs(np.cumsum(e) - np.cumsum(a)).max())


def wasserstein(expected: Bins, actual: Bins) -> float:
    """Compute the Wasserstein distance in standard deviations of the training values, between the outer edges.

    Args:
        expected: Proportions of the training values by bin.
        actual: Proportions of the new values in the same bins.

    Returns:
        0 or above, in standard deviations.

    Raises:
        ValueError: If the bins differ, the proportions are not proportions, or the training values do not vary.
    """
    e, a = _checked(expected, actual)
    if not expected.std or len(expected.edges) < 2:
        raise ValueError("the training values do not vary, so that there is no unit of distance")
    difference = np.abs(np.cumsum(e) - np.cumsum(a))[:-1]
    return float(np.sum(difference[:-1] * np.diff(expected.edges)) / expected.std)


DRIFT_METHODS: Final[dict[str, DriftMethod]] = {
    "psi": DriftMethod("PSI", psi, warn=0.10, act=0.25, normal_power=0.25),
    "kl": DriftMethod("KL divergence", kl, warn=0.05, act=0.125, normal_power=0.25),
    "jensen_shannon": DriftMethod("Jensen-Shannon distance", jensen_shannon, warn=0.10, act=0.20),
    "kolmogorov_smirnov": DriftMethod(
        "Kolmogorov-Smirnov distance", kolmogorov_smirnov, warn=0.10, act=0.20, orders_bins=True
    ),
    "wasserstein": DriftMethod("Wasserstein distance", wasserstein, warn=0.10, act=0.25, orders_bins=True),
}


def _filled(expected: Bins, actual: Bins) -> tuple[Floats, Floats]:
    e, a = _checked(expected, actual)
    return np.maximum(e, ZERO_FILL), np.maximum(a, ZERO_FILL)


def _checked(expected: Bins, actual: Bins) -> tuple[Floats, Floats]:
    e, a = (np.asarray(bins.proportions, dtype=np.float64) for bins in (expected, actual))
    if e.shape != a.shape or expected.edges != actual.edges:
        raise ValueError(
            f"{e.size} expected proportions against {a.size} actual ones; both must use the same bins"
        )
    if e.size < 2:
        raise ValueError("one bin holds all values, before and now; proportions of it say nothing")
    for side, name in ((e, "expected"), (a, "actual")):
        if not np.isfinite(side).all() or (side < 0).any() or not 0.999 <= side.sum() <= 1.001:
            raise ValueError(f"the {name} proportions must be finite, not negative and add up to 1")
    return e, a

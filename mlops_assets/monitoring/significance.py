"""How surprising a difference is, were both samples drawn from one distribution: Kolmogorov-Smirnov and chi-squared.

Comes in: shares per bin and sizes. Goes out: statistics and p-values, corrected for the number of features looked at.
They are reported beside PSI and decide nothing: readings follow each other, so that there is less in them than in as
many independent draws, and on a million rows every trifle is significant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def kolmogorov_smirnov(
    expected: Sequence[float], expected_rows: int, actual: Sequence[float], actual_rows: int
) -> tuple[float, float]:
    """Largest distance of the two cumulative shares, and its asymptotic p-value.

    Measured at the edges of bins only, so it is at most the distance of the samples themselves and p at least theirs.
    """
    from scipy.special import kolmogorov

    distance = float(np.abs(np.cumsum(expected) - np.cumsum(actual)).max())
    weight = np.sqrt(expected_rows * actual_rows / (expected_rows + actual_rows))
    return distance, float(kolmogorov(distance * weight))


def chi_squared(
    expected: Sequence[float], expected_rows: int, actual: Sequence[float], actual_rows: int
) -> tuple[float, float]:
    """Two-sample statistic over bins that either sample has, and its p-value (1 where there is one such bin)."""
    from scipy.special import chdtrc

    one, other = np.asarray(expected) * expected_rows, np.asarray(actual) * actual_rows
    filled = one + other > 0
    if filled.sum() < 2:
        return 0.0, 1.0
    ratio = np.sqrt(actual_rows / expected_rows)
    statistic = float(
        np.sum((one[filled] * ratio - other[filled] / ratio) ** 2 / (one[filled] + other[filled]))
    )
    return statistic, float(chdtrc(filled.sum() - 1, statistic))


def corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """Holm's step-down correction (1979): the chance of one false alarm among all stays below the p-value."""
    worst, found = 0.0, {}
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for place, name in enumerate(ordered):
        worst = max(worst, min(1.0, p_values[name] * (len(ordered) - place)))
        found[name] = worst
    return found

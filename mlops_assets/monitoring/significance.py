"""Significance of a difference, were both samples drawn from one distribution: Kolmogorov-Smirnov and chi-squared.

Comes in: proportions per bin and numbers of rows. Goes out: statistics and p-values, corrected for the number of
features. They are reported and decide nothing: readings depend on each other, so that they hold less information than
as many independent draws, and with a million rows every small difference is significant.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np


def kolmogorov_smirnov_test(
    expected: Sequence[float], expected_rows: int, actual: Sequence[float], actual_rows: int
) -> tuple[float, float]:
    """Compute the largest distance of the two cumulative distributions, and its asymptotic p-value.

    The distance is measured at the edges of bins only: it is at most that of the samples, and p is at least theirs.

    Args:
        expected: Proportions of the first sample.
        expected_rows: Its rows.
        actual: Proportions of the second sample in the same bins.
        actual_rows: Its rows.

    Returns:
        The statistic and the p-value.
    """
    from scipy.special import kolmogorov

    distance = float(np.abs(np.cumsum(expected) - np.cumsum(actual)).max())
    weight = np.sqrt(expected_rows * actual_rows / (expected_rows + actual_rows))
    return distance, float(kolmogorov(distance * weight))


def chi_squared(
    expected: Sequence[float], expected_rows: int, actual: Sequence[float], actual_rows: int
) -> tuple[float, float]:
    """Compute the two-sample statistic over the bins that either sample has, and its p-value.

    Args:
        expected: Proportions of the first sample.
        expected_rows: Its rows.
        actual: Proportions of the second sample in the same bins.
        actual_rows: Its rows.

    Returns:
        The statistic and the p-value; 0 and 1 if there is one such bin.
    """
    from scipy.special import chdtrc

    first, second = np.asarray(expected) * expected_rows, np.asarray(actual) * actual_rows
    filled = first + second > 0
    if filled.sum() < 2:
        return 0.0, 1.0
    ratio = np.sqrt(actual_rows / expected_rows)
    statistic = float(
        np.sum((first[filled] * ratio - second[filled] / ratio) ** 2 / (first[filled] + second[filled]))
    )
    return statistic, float(chdtrc(filled.sum() - 1, statistic))


def holm_corrected(p_values: Mapping[str, float]) -> dict[str, float]:
    """Return p-values corrected by Holm's step-down method (1979).

    The chance of one false alarm among all features stays below the corrected p-value.

    Args:
        p_values: p-value by feature.

    Returns:
        Corrected p-value by feature, at most 1.
    """
    largest, corrected = 0.0, {}
    ordered = sorted(p_values, key=lambda name: p_values[name])
    for index, name in enumerate(ordered):
        largest = max(largest, min(1.0, p_values[name] * (len(ordered) - index)))
        corrected[name] = largest
    return corrected

"""Influence contributions: metrics as functions of sums over rows; thousands of resamples cost one matrix.

Comes in: scored rows. Goes out: contributions per row and the metric of their sums. Areas under curves are no function
of sums; their contributions are influence values, whose mean is the area (`areas`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from mlops_assets.lazy_numpy import Floats, np
from mlops_assets.metrics.scored import Scored


@dataclass(frozen=True, slots=True)
class Influence:
    """Sufficient statistics of one metric.

    Attributes:
        contributions: From scored rows to an array (rows, k).
        value: From sums over rows, shape (..., k), to the metric, shape (...).
    """

    contributions: Callable[[Scored], Floats]
    value: Callable[[Floats], Floats]


def mean_of(terms: Callable[[Scored], Floats]) -> Influence:
    """Return the influence of a metric that is the mean of one term per row.

    Args:
        terms: Returns one term per row, shape (n,).

    Returns:
        Contributions and the quotient of their sums.
    """
    return Influence(lambda scored: with_ones(terms(scored)), quotient)


def ratio_of(numerator: Callable[[Scored], Floats], denominator: Callable[[Scored], Floats]) -> Influence:
    """Return the influence of a metric that is one sum over rows divided by another.

    Args:
        numerator: Returns one term per row, shape (n,).
        denominator: Returns one term per row, shape (n,).

    Returns:
        Contributions and the quotient of their sums.
    """
    return Influence(lambda scored: np.column_stack([numerator(scored), denominator(scored)]), quotient)


def with_ones(terms: Floats) -> Floats:
    """Return the terms with a column of ones, whose sum is the number of rows.

    Args:
        terms: Terms, shape (n,).

    Returns:
        Shape (n, 2).
    """
    return np.column_stack([terms, np.ones_like(terms)])


def quotient(sums: Floats) -> Floats:
    """Return the first sum divided by the second; NaN where the second is 0.

    Args:
        sums: Sums of contributions, shape (..., 2).

    Returns:
        Shape (...).
    """
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)

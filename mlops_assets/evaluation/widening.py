"""How much wider an interval must be than its bootstrap says, because rows depend on each other in further respects.

Comes in: what each row and each cluster adds to the statistic, and a `Dependence`. Goes out: variances with their
degrees of freedom, relative to the bootstrap's.

Two ways of dependence are added: variance by instant plus variance by entity less variance by row (two-way clustering,
Cameron, Gelbach & Miller 2011, J. Business & Economic Statistics 29). Variance by instant is the larger of that of
blocks and the long-run variance.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.evaluation.long_run import long_run
from mlops_assets.metrics import Floats

FEWEST_ENTITIES: Final = 10
"""With fewer entities the result speaks for these entities only."""
ROUNDING: Final = 1e-9
"""Twins differ by rounding only, whose autocorrelation means nothing."""


@dataclass(frozen=True, slots=True)
class Widening:
    """Factors on the bootstrap's standard error, each with the degrees of freedom it is known by.

    Attributes:
        factors: Pairs of factor and degrees of freedom; the widest interval counts.
        periods: Independent instants that the rows are worth; infinite where no instants are known.
        note: What the report adds to the name of the method.
    """

    factors: tuple[tuple[float, int], ...]
    periods: float
    note: str

    def margin(self, scale: float, probability: float) -> float:
        """Return half the width of the interval.

        Args:
            scale: Standard error of the bootstrap.
            probability: Of the upper end, 0.975 for 95 %.

        Returns:
            The margin, in the unit of the scale.
        """
        return (
            max(student_quantile(probability, freedom) * factor for factor, freedom in self.factors) * scale
        )


def widening(per_row: Floats, series: Floats, length: int, dependence: Dependence) -> Widening:
    """Return how dependence that the blocks of the bootstrap do not carry widens the interval.

    Args:
        per_row: What each row adds to the statistic, shape (rows,).
        series: The same per cluster, in the order of their codes.
        length: Clusters per block of the bootstrap.
        dependence: Which rows depend on each other.

    Returns:
        The factors, with a note for the report.
    """
    per_row, series = _centered(per_row), _centered(series)
    blocks = series.size // length
    base = _block_variance(series, length)
    if not base > ROUNDING**2:
        return Widening(((1.0, blocks - 1),), math.inf, "")
    first, periods, note = [(base, blocks - 1)], math.inf, ""
    if dependence.ordered:
        run = long_run(series)
        periods = run.periods
        first.append((run.variance, run.freedom))
    second = []
    by_row = float(per_row @ per_row)
    if dependence.entities is not None:
        by_entity, count = _cluster_variance(per_row, dependence.entities)
        if count < FEWEST_ENTITIES:
            note = f", for these {count} entities only: too few to speak for others"
        else:
            note = f" and {count} entities"
            second.append((by_entity, count - 1))
    if dependence.instants is not None:
        run = long_run(np.bincount(dependence.instants, per_row).astype(np.float64))
        by_instant, count = _cluster_variance(per_row, dependence.instants)
        periods = run.periods
        note = f" and {count:,} instants"
        second += [(by_instant, count - 1), (run.variance, run.freedom)]
    excess = [(max(variance - by_row, 0.0), freedom) for variance, freedom in second]
    total = [
        (variance + more, min(freedom, other) if more else freedom)
        for variance, freedom in first
        for more, other in excess or [(0.0, freedom)]
    ]
    return Widening(
        tuple((math.sqrt(variance / base), freedom) for variance, freedom in total), periods, note
    )


def student_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t, with SciPy imported only here.

    Args:
        probability: Above 0.5.
        freedom: Degrees of freedom, from 1.

    Returns:
        The quantile.
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))


def _centered(values: Floats) -> Floats:
    centered: Floats = np.nan_to_num(values - values.mean())
    return centered


def _cluster_variance(per_row: Floats, codes: NDArray[np.int64]) -> tuple[float, int]:
    """Variance of the sum when clusters are independent, and their number."""
    sums = np.bincount(codes, per_row)
    count = sums.size
    return float(sums @ sums) * count / max(count - 1, 1), count


def _block_variance(series: Floats, length: int) -> float:
    """Variance of the total of circular block resamples."""
    if length == 1:
        return float(series @ series)
    running = np.concatenate([[0.0], np.cumsum(np.concatenate([series, series[: length - 1]]))])
    sums = running[length:] - running[:-length]
    return float(sums @ sums) / length

"""Resampling of sums: how much a statistic would move had other rows, or other stretches of time, been drawn.

Comes in: sums of pieces per cluster (a row, an instant, a group), shape (clusters, k). Goes out: their totals in many
resamples. Blocks of neighboring clusters keep the autocorrelation; length 1 is the plain bootstrap.

The block length is the rule of Politis & White (2004) with the correction of Patton, Politis & White (2009) for the
circular bootstrap. The library `arch` has the same rule; importing it costs six seconds of processor time, so a test
compares these few lines with its result instead.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.metrics import Floats

RESAMPLES: Final = 1_000
MOST_ORDERED: Final = 8_000
MOST_ALONE: Final = 2_000
"""More clusters than this are joined with their neighbors: the result gains nothing and takes longer."""


def block_length(series: Floats) -> float:
    """Return the block length that suits the autocorrelation of a series (Politis and White 2004; Patton et al. 2009).

    Args:
        series: Values in order of time, shape (n,).

    Returns:
        At least 1, in rows.
    """
    n = series.size
    if n < 4 or not np.isfinite(series).all() or np.ptp(series) == 0:
        return 1.0
    centered = series - series.mean()
    step = max(5, math.ceil(math.log10(n)))
    reach = min(math.ceil(math.sqrt(n)) + step, n - 2)
    covariance = np.array([float(centered[lag:] @ centered[: n - lag]) for lag in range(reach + 1)]) / n
    if covariance[0] <= 0:
        return 1.0
    small = np.abs(covariance[1:] / covariance[0]) < 2.0 * math.sqrt(math.log10(n) / n)
    quiet = [lag for lag in range(reach - step + 1) if small[lag : lag + step].all()]
    loud = np.flatnonzero(~small)
    last = quiet[0] if quiet else int(loud[-1]) + 1 if loud.size else 0
    window = min(2 * max(last, 1), reach)
    lags = np.arange(1, window + 1)
    taper = np.minimum(1.0, 2.0 * (1.0 - lags / window)) if window else np.ones(0)
    weighted = taper * covariance[1 : window + 1]
    long_run = covariance[0] + 2.0 * float(weighted.sum())
    slope = 2.0 * float((lags * weighted).sum())
    if long_run <= 0:
        return 1.0
    length = (2.0 * slope**2 / (4.0 / 3.0 * long_run**2)) ** (1 / 3) * n ** (1 / 3)
    return float(min(max(length, 1.0), math.ceil(min(3.0 * math.sqrt(n), n / 3))))


def sums_by(clusters: NDArray[np.int64] | None, pieces: Floats) -> Floats:
    """Sum the influence contributions per cluster.

    Args:
        clusters: Cluster of each row, int64 from 0 in ascending order; None: every row is a cluster.
        pieces: Contributions, shape (rows, k).

    Returns:
        Shape (clusters, k).
    """
    if clusters is None:
        return pieces
    total = np.zeros((int(clusters.max()) + 1, pieces.shape[1]))
    np.add.at(total, clusters, pieces)
    return total


def joined(sums: Floats, most: int) -> Floats:
    """Add neighboring clusters until there are at most `most`, all of one size except the last.

    Args:
        sums: Sums per cluster, shape (clusters, k), in order of time.
        most: Largest number of clusters.

    Returns:
        Shape (at most `most`, k).
    """
    n = sums.shape[0]
    if n <= most:
        return sums
    added: Floats = np.add.reduceat(sums, np.arange(0, n, math.ceil(n / most)), axis=0)
    return added


def resample(sums: Floats, length: int, rng: np.random.Generator, resamples: int = RESAMPLES) -> Floats:
    """Return the totals of circular block resamples (Politis and Romano 1992).

    Args:
        sums: Sums per cluster, shape (clusters, k), in order of time.
        length: Block length, in clusters.
        rng: Source of random numbers.
        resamples: Number of resamples.

    Returns:
        Shape (resamples, k).
    """
    n, k = sums.shape
    whole, rest = divmod(n, length)
    starts = rng.integers(0, n, (resamples, whole + (rest > 0)))
    totals = np.empty((resamples, k))
    for column in range(k):
        if np.ptp(sums[:, column]) == 0:
            totals[:, column] = n * sums[0, column]
            continue
        piece = (
            np.concatenate([sums[:, column], sums[: length - 1, column]]) if length > 1 else sums[:, column]
        )
        running = np.concatenate([[0.0], np.cumsum(piece)])
        block = running[length:] - running[:-length] if length > 1 else piece
        totals[:, column] = block[starts[:, :whole]].sum(axis=1)
        if rest:
            wrapped = np.concatenate([sums[:, column], sums[:rest, column]])
            tail = np.concatenate([[0.0], np.cumsum(wrapped)])
            totals[:, column] += (tail[rest:] - tail[:-rest])[starts[:, -1]]
    return totals

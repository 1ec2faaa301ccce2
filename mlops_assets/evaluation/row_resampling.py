"""Resampling of whole rows, for metrics that are no function of sums over rows, such as a median.

Comes in: a metric and the scored rows of two models. Goes out: the metric of both in many resamples of the same rows.
Slower than resampling sums (`resampling`), and works for every metric. Blocks of neighboring clusters (instants,
groups or rows) keep the autocorrelation.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.metrics import Floats, Metric, Scored

ROW_RESAMPLES: Final = 250
"""Resamples of rows: the standard error of a standard deviation from so many is 4 to 5 %."""

Clusters = NDArray[np.int64] | None


def paired_error_differences(challenger: Scored, champion: Scored) -> Floats:
    """Return the challenger's error minus the champion's per row.

    Its autocorrelation stands for that of the metric, whose own contributions per row are not known.

    Args:
        challenger: Scored rows; errors are absolute for numbers, 0 or 1 for classes.
        champion: The same rows, scored by the champion.

    Returns:
        Shape (rows,).
    """
    return errors_per_row(challenger) - errors_per_row(champion)


def errors_per_row(scored: Scored) -> Floats:
    """Return the error of each row.

    Args:
        scored: Truth and predictions.

    Returns:
        Absolute errors of numbers, 0 or 1 for classes; shape (rows,).
    """
    if scored.classes:
        wrong: Floats = (scored.predicted != scored.truth).astype(np.float64)
        return wrong
    errors: Floats = np.abs(scored.predicted - scored.truth)
    return errors


def resampled_metrics(
    metric: Metric,
    challenger: Scored,
    champion: Scored,
    *,
    clusters: Clusters,
    length: int,
    rng: np.random.Generator,
    resamples: int = ROW_RESAMPLES,
) -> tuple[Floats, Floats]:
    """Compute the metric of both models in circular block resamples of the same rows.

    Args:
        metric: Any metric.
        challenger: Scored rows.
        champion: The same rows, scored by the champion.
        clusters: Rows that are drawn together, as consecutive codes from 0; None if each row stands alone.
        length: Clusters per block.
        rng: Source of randomness.
        resamples: How many resamples are drawn.

    Returns:
        Values of the challenger and of the champion, each of shape (resamples,).
    """
    order, first_rows = _rows_by_cluster(clusters, challenger.truth.size)
    count = first_rows.size - 1
    blocks = math.ceil(count / length)
    values = np.empty((resamples, 2))
    for draw in range(resamples):
        starts = rng.integers(0, count, blocks)
        drawn = ((starts[:, None] + np.arange(length)) % count).ravel()[:count]
        rows = order[_ranges(first_rows[drawn], first_rows[drawn + 1])]
        values[draw] = metric.measure(challenger.subset(rows)), metric.measure(champion.subset(rows))
    return values[:, 0], values[:, 1]


def _rows_by_cluster(clusters: Clusters, rows: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row indices sorted by cluster, and where each cluster begins in them (with the end of the last)."""
    if clusters is None:
        return np.arange(rows, dtype=np.int64), np.arange(rows + 1, dtype=np.int64)
    order = np.argsort(clusters, kind="stable").astype(np.int64)
    begins = np.searchsorted(clusters[order], np.arange(int(clusters.max()) + 2))
    return order, begins.astype(np.int64)


def _ranges(begins: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """All indices of many ranges, one after the other."""
    sizes = ends - begins
    offsets = np.repeat(begins - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes)
    ranges: NDArray[np.int64] = offsets + np.arange(int(sizes.sum()))
    return ranges

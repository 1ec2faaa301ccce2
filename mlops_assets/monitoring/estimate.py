"""Performance before the labels arrive, estimated from labels of earlier windows; later compared with the truth.

Comes in: predictions of a window, and labeled predictions of windows before it. Goes out: an estimate of the metric.
The loss of a prediction is what predictions like it lost before: for classes, calibrated confidence (how often a class
predicted with such a probability was right); for numbers, the mean loss of predictions of that size. Nothing is decided
on an estimate: a relation of inputs and target that changes does not show in it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np
import polars as pl

FEWEST_ROWS: Final = 200
"""Labeled rows that an estimate needs."""
BINS: Final = 10
"""Groups of predictions of similar size, equally many rows in each."""

Loss = tuple[pl.Expr, Callable[[float], float]]
_ERROR: Final = pl.col("value") - pl.col("actual")
LOSSES: Final[Mapping[str, Loss]] = {
    "accuracy": ((pl.col("label") == pl.col("actual")).cast(pl.Float64), float),
    "rmse": (_ERROR * _ERROR, math.sqrt),
    "mae": (_ERROR.abs(), float),
}
"""Metrics that are a mean over rows: the value of one row, and what is done with the mean."""


def estimate(metric: str, earlier: pl.DataFrame, rows: pl.DataFrame) -> float | None:
    """Return the metric that these rows will have, judged by earlier ones.

    Args:
        metric: Name of the metric.
        earlier: Predictions with labels, of windows before: value, label, actual.
        rows: Predictions; their labels are not looked at.

    Returns:
        The estimate; None for a metric that is no mean over rows, and with fewer than 200 earlier rows.
    """
    if metric not in LOSSES:
        return None
    loss, finish = LOSSES[metric]
    known = earlier.select(pl.col("value"), loss.alias("loss")).drop_nulls()
    sizes = rows["value"].drop_nulls().to_numpy()
    if known.height < FEWEST_ROWS or not sizes.size:
        return None
    size, losses = known["value"].to_numpy(), known["loss"].to_numpy()
    edges = np.unique(np.quantile(size, np.arange(1, BINS) / BINS))
    groups = np.searchsorted(edges, size, side="right")
    counts = np.bincount(groups, minlength=edges.size + 1)
    sums = np.bincount(groups, weights=losses, minlength=edges.size + 1)
    means = np.where(counts > 0, sums / np.maximum(counts, 1), losses.mean())
    value = finish(float(means[np.searchsorted(edges, sizes, side="right")].mean()))
    return value if math.isfinite(value) else None

"""Bias: are predictions too high or too low on average, tested without taking dependent rows for independent ones?

Comes in: predictions with labels. Goes out: a `Bias`. Residuals of neighboring instants resemble each other, so that a
t-test over rows sees bias everywhere. The means of long blocks of time are nearly independent; the test is over them.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import polars as pl

from mlops_assets.artifacts import Bias

BLOCKS: Final = 10
MIN_ROWS: Final = 100
MOST_CHANCE: Final = 0.001
LEAST_SIZE: Final = 0.1
"""Smallest mean that counts, in standard deviations of the residuals."""
DEPENDENCE: Final = 0.99


def bias_of(rows: pl.DataFrame) -> Bias | None:
    """Test the mean of prediction minus label.

    The standard error of the block means is widened by their own lag-1 autocorrelation, for blocks that are still
    too short.

    Args:
        rows: Columns at, value and actual, complete.

    Returns:
        The result; None with fewer than 100 rows.
    """
    residuals = (
        rows.sort("at")
        .select(pl.col("value").cast(pl.Float64) - pl.col("actual").cast(pl.Float64))
        .to_series()
    )
    residual = residuals.drop_nulls().to_numpy()
    if residual.size < MIN_ROWS:
        return None
    from scipy.special import stdtr

    means = np.array([part.mean() for part in np.array_split(residual, BLOCKS)])
    mean = float(residual.mean())
    centered = means - means.mean()
    variance = float(centered @ centered) / (BLOCKS - 1)
    lag = float(centered[1:] @ centered[:-1]) / float(centered @ centered) if variance > 0 else 0.0
    dependence = min(
        max(lag + 1 / BLOCKS, 0.0), DEPENDENCE
    )  # the estimate from few blocks is too low by about 1 / n
    error = math.sqrt(variance / BLOCKS * (1 + dependence) / (1 - dependence))
    p = (
        0.0
        if error == 0 and mean
        else 1.0
        if error == 0
        else 2 * float(stdtr(BLOCKS - 1, -abs(mean) / error))
    )
    large = abs(mean) > LEAST_SIZE * float(residual.std())
    return Bias(mean, p, BLOCKS, significant=p < MOST_CHANCE and large)

"""Metrics of prediction intervals: does the truth lie inside, and how wide must they be for that?

Coverage alone is won by the widest interval and width alone by the narrowest; the pinball loss weighs both (Gneiting &
Raftery 2007), and is what models are compared by.
"""

from __future__ import annotations

from typing import Final

from mlops_assets.lazy_numpy import Floats, np
from mlops_assets.metrics.class_counts import rows
from mlops_assets.metrics.influence import mean_of
from mlops_assets.metrics.metric import NUMBERS, Metric
from mlops_assets.metrics.scored import Bounds, Scored


def coverage(scored: Scored) -> float:
    """Compute the share of rows whose truth lies between the bounds or on one of them.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    return float(np.mean(_inside(scored)))


def pinball(scored: Scored) -> float:
    """Compute the mean pinball loss of the two bounds, in units of the target.

    Each bound stands for a quantile (Koenker & Bassett 1978): with level L, these are (1 - L) / 2 and (1 + L) / 2.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    return float(np.mean(_pinball_losses(scored)))


def interval_width(scored: Scored) -> float:
    """Compute the mean of high minus low, in units of the target.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    return float(np.mean(_widths(scored)))


def _bounds(scored: Scored) -> Bounds:
    if scored.bounds is None:
        missing = np.full(scored.truth.size, np.nan)
        return Bounds(0.5, missing, missing)
    return scored.bounds


def _inside(scored: Scored) -> Floats:
    bounds = _bounds(scored)
    inside: Floats = ((bounds.low <= scored.truth) & (scored.truth <= bounds.high)).astype(np.float64)
    return inside


def _pinball_losses(scored: Scored) -> Floats:
    bounds = _bounds(scored)
    tail = (1.0 - bounds.level) / 2.0
    low = _quantile_loss(scored.truth - bounds.low, tail)
    high = _quantile_loss(scored.truth - bounds.high, 1.0 - tail)
    return (low + high) / 2.0


def _quantile_loss(difference: Floats, quantile: float) -> Floats:
    loss: Floats = np.maximum(quantile * difference, (quantile - 1.0) * difference)
    return loss


def _widths(scored: Scored) -> Floats:
    bounds = _bounds(scored)
    return bounds.high - bounds.low


INTERVAL_METRICS: Final = (
    Metric(
        "coverage",
        "higher",
        NUMBERS,
        coverage,
        bound=1.0,
        needs="interval",
        influence=mean_of(_inside),
        sample=rows,
        won_by="the widest interval",
    ),
    Metric(
        "pinball",
        "lower",
        NUMBERS,
        pinball,
        bound=0.0,
        needs="interval",
        influence=mean_of(_pinball_losses),
    ),
    Metric(
        "interval_width",
        "lower",
        NUMBERS,
        interval_width,
        bound=0.0,
        needs="interval",
        influence=mean_of(_widths),
        won_by="the narrowest interval",
    ),
)

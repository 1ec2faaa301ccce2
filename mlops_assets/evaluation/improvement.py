"""The relative improvement of one metric: how much better the challenger is, as a share of what it could gain."""

from __future__ import annotations

import math

import numpy as np

from mlops_assets.metrics import METRICS, Floats


def relative_improvement(metric: str, challenger: float, champion: float) -> float:
    """Return how much better the challenger is, as a share of what it could gain; above 0 is better.

    The share is of the champion's size; for metrics with an upper bound, of the gap between champion and bound: from
    0.90 to 0.92 is 20 % of what an area under the curve could still gain. NaN when either is not finite, or when the
    champion leaves nothing to gain and the challenger differs.

    Args:
        metric: Name of the metric.
        challenger: Its value.
        champion: Its value.

    Returns:
        A share; 0.05 is 5 %.
    """
    if not (math.isfinite(challenger) and math.isfinite(champion)):
        return float("nan")
    better = METRICS[metric].direction
    gain = challenger - champion if better == "higher" else champion - challenger
    if better == "zero":
        gain = abs(champion) - abs(challenger)
    scale = gain_scale(metric, champion)
    if scale == 0:
        return 0.0 if gain == 0 else float("nan")
    return gain / scale


def gain_scale(metric: str, champion: float) -> float:
    """Return what a gain is a share of.

    Args:
        metric: Name of the metric.
        champion: The champion's value.

    Returns:
        0 or above, in the metric's unit.
    """
    known = METRICS[metric]
    return abs(champion if known.direction != "higher" or known.bound is None else known.bound - champion)


def gains(
    metric: str, challenger_value: Floats, champion_value: Floats, champion: float, *, logarithmic: bool
) -> Floats:
    """Return the gains of many resamples, in the unit in which the interval is symmetric.

    Args:
        metric: Name of the metric.
        challenger_value: Its values in the resamples.
        champion_value: Values of the champion in the same resamples.
        champion: The champion's value on the rows themselves.
        logarithmic: Return the logarithm of the ratio for metrics where lower is better.

    Returns:
        Shape (resamples,).
    """
    better = METRICS[metric].direction
    if better == "lower" and logarithmic:
        ratio: Floats = np.log(challenger_value / champion_value)
        return ratio
    gain: Floats = {
        "higher": challenger_value - champion_value,
        "lower": champion_value - challenger_value,
        "zero": np.abs(champion_value) - np.abs(challenger_value),
    }[better]
    return gain / (gain_scale(metric, champion) or 1.0)

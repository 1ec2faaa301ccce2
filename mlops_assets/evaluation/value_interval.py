"""The interval of one model's metric: how far it would move had other rows been drawn.

Comes in: scored rows and their dependence. Goes out: a `MetricInterval`. The interval is the metric +- Student's t x
bootstrap standard error, widened for dependence as in `improvement_interval`.
"""

from __future__ import annotations

import math

import numpy as np

from mlops_assets.artifacts import MetricInterval, Part
from mlops_assets.evaluation import resampling
from mlops_assets.evaluation.clusters import INDEPENDENT, Dependence
from mlops_assets.evaluation.improvement_interval import FEWEST_BLOCKS, block_clusters, slope_of
from mlops_assets.evaluation.long_run import FEWEST_PERIODS
from mlops_assets.evaluation.row_resampling import errors_per_row, resampled_metrics
from mlops_assets.evaluation.widening import widening
from mlops_assets.metrics import METRICS, Floats, Scored


def value_interval(
    metric: str,
    scored: Scored,
    *,
    part: Part = "test",
    confidence: float = 0.95,
    dependence: Dependence = INDEPENDENT,
    seed: int = 0,
) -> MetricInterval:
    """Return a metric with its interval; low and high are NaN when they cannot be estimated.

    Args:
        metric: Name of the metric.
        scored: Truth and predictions.
        part: Part of the split, for the record.
        confidence: Two-sided.
        dependence: How the rows depend on each other.
        seed: Of the resampling.

    Returns:
        Value, interval and method in words.
    """
    value = METRICS[metric].measure(scored)
    low = high = math.nan
    problem = "the metric could not be measured"
    if math.isfinite(value):
        margin, problem = _margin(metric, scored, confidence, dependence, seed)
        low, high = value - margin, value + margin
    method = f"no interval: {problem}" if problem else "bootstrap"
    return MetricInterval(metric, part, value, low, high, confidence, method, scored.truth.size)


def _margin(
    metric: str, scored: Scored, confidence: float, dependence: Dependence, seed: int
) -> tuple[float, str]:
    """Half the width of the interval, or NaN and why there is none."""
    influence = METRICS[metric].influence
    rng = np.random.default_rng(seed)
    most = resampling.MOST_ORDERED if dependence.ordered else resampling.MOST_ALONE
    with np.errstate(all="ignore"):
        sums: Floats = np.empty((0, 0))
        if influence is None:
            per_row = errors_per_row(scored)
            series = resampling.sums_by(dependence.clusters, per_row[:, None])[:, 0]
        else:
            contributions = influence.contributions(scored)
            sums = resampling.joined(resampling.sums_by(dependence.clusters, contributions), most)
            slope = slope_of(influence.value, sums)
            per_row, series = contributions @ slope, sums @ slope
        length = block_clusters(series - series.mean()) if dependence.ordered else 1
        blocks = series.size // length
        if blocks < FEWEST_BLOCKS:
            return math.nan, f"{series.size} {dependence.unit} are too few to judge"
        widened = widening(per_row, series, length, dependence)
        if widened.periods < FEWEST_PERIODS:
            return (
                math.nan,
                f"{series.size} instants are worth fewer than {FEWEST_PERIODS:.0f} independent ones",
            )
        drawn: Floats
        if influence is None:
            drawn, _ = resampled_metrics(
                METRICS[metric], scored, scored, clusters=dependence.clusters, length=length, rng=rng
            )
        else:
            drawn = influence.value(resampling.resample(sums, length, rng))
        scale = float(np.std(drawn[np.isfinite(drawn)])) * math.sqrt(blocks / (blocks - 1))
    return (widened.margin(scale, 0.5 + confidence / 2) if scale else 0.0), ""

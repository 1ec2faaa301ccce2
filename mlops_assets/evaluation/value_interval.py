"""The interval of one model's metric: how far it would move had other rows been drawn.

Comes in: scored rows and their dependence. Goes out: a `MetricInterval`. The interval is the metric +- Student's t x
bootstrap standard error, widened for dependence as in `improvement_interval`. Of a proportion (accuracy, recall) it is
Wilson's score interval with that standard error (Wilson 1927, J. American Statistical Association 22): no row in error
does not mean that none ever will be, and the ends stay between 0 and 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlops_assets.artifacts import MetricInterval, Part
from mlops_assets.evaluation import resampling
from mlops_assets.evaluation.clusters import INDEPENDENT, Dependence
from mlops_assets.evaluation.improvement_interval import FEWEST_BLOCKS, block_clusters, slope_of
from mlops_assets.evaluation.long_run import FEWEST_PERIODS
from mlops_assets.evaluation.row_resampling import errors_per_row, resampled_metrics
from mlops_assets.evaluation.widening import student_quantile, widening
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
        low, high = value - margin.half, value + margin.half
        sample = METRICS[metric].sample
        if sample is not None and not problem:
            low, high = _score_interval(value, margin, sample(scored) * margin.worth)
    method = f"no interval: {problem}" if problem else "bootstrap"
    return MetricInterval(metric, part, value, low, high, confidence, method, scored.truth.size)


@dataclass(frozen=True, slots=True)
class _Margin:
    """Half the width of the interval, the quantile in it, and what part of the rows' number they are worth."""

    half: float
    quantile: float = math.nan
    worth: float = math.nan


UNKNOWN: Final = _Margin(math.nan)


def _score_interval(value: float, margin: _Margin, sample: float) -> tuple[float, float]:
    """Return Wilson's interval of a proportion from as many independent rows as its standard error is worth.

    Args:
        value: The proportion.
        margin: Of the bootstrap.
        sample: Independent rows that the value rests on where the bootstrap saw no variation.

    Returns:
        Low and high, 0 to 1.
    """
    square = margin.quantile**2
    variance = (margin.half / margin.quantile) ** 2
    rows = value * (1.0 - value) / variance if variance and 0.0 < value < 1.0 else sample
    if not rows > 0.0:
        return 0.0, 1.0
    center = (value + square / (2.0 * rows)) / (1.0 + square / rows)
    half = math.sqrt(square * (value * (1.0 - value) + square / (4.0 * rows)) / rows) / (1.0 + square / rows)
    return max(center - half, 0.0), min(center + half, 1.0)


def _margin(
    metric: str, scored: Scored, confidence: float, dependence: Dependence, seed: int
) -> tuple[_Margin, str]:
    """Return the margin, or NaN and why there is none."""
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
            return UNKNOWN, f"{series.size} {dependence.unit} are too few to judge"
        widened = widening(per_row, series, length, dependence)
        if widened.periods < FEWEST_PERIODS:
            return (
                UNKNOWN,
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
    probability = 0.5 + confidence / 2
    half = widened.margin(scale, probability) if scale else 0.0
    return _Margin(half, student_quantile(probability, blocks - 1), blocks / scored.truth.size), ""

"""The interval of a relative improvement: a paired bootstrap over dependent rows.

point +- Student's t x bootstrap standard error x what `widening` adds for dependence that blocks do not carry, on the
logarithm of the ratio for errors, on the difference otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import numpy as np

from mlops_assets.evaluation import resampling
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.evaluation.improvement import gains
from mlops_assets.evaluation.long_run import FEWEST_PERIODS
from mlops_assets.evaluation.row_resampling import paired_error_differences, resampled_metrics
from mlops_assets.evaluation.widening import ROUNDING, widening
from mlops_assets.metrics import METRICS, Floats, Scored

FEWEST_BLOCKS: Final = 8
"""With fewer independent blocks their variance is not known well enough."""
BLOCK_LENGTH_FACTOR: Final = 2.0
"""Blocks are taken this much longer than the rule says, which aims at the variance and not at the error of a test. With
errors of autocorrelation 0.9 and 200 rows, equally good models then pass 4 % of the time instead of 7 %."""
SHORTEST_BLOCK: Final = 1.5
"""Shorter blocks than this mean that rows do not depend on each other."""


def improvement_interval(
    metric: str,
    challenger: Scored,
    champion: Scored,
    point: float,
    champion_value: float,
    confidence: float,
    dependence: Dependence,
    seed: int,
) -> tuple[float, float, str]:
    """Estimate the interval of a relative improvement.

    Args:
        metric: Name of the metric.
        challenger: Truth and predictions.
        champion: The same rows, predicted by the champion.
        point: The relative improvement.
        champion_value: The champion's metric.
        confidence: Two-sided.
        dependence: How the rows depend on each other.
        seed: Of the resampling.

    Returns:
        Lower end, upper end (both NaN when they cannot be estimated), and the method in words.
    """
    clusters, ordered, unit = dependence.clusters, dependence.ordered, dependence.unit
    influence = METRICS[metric].influence
    rng = np.random.default_rng(seed)
    with np.errstate(all="ignore"):
        most = resampling.MOST_ORDERED if ordered else resampling.MOST_ALONE

        def gain(challenger_values: Floats, champion_values: Floats) -> Floats:
            return gains(metric, challenger_values, champion_values, champion_value, logarithmic=point < 1.0)

        if influence is None:
            per_row = paired_error_differences(challenger, champion)
            series = resampling.sums_by(clusters, per_row[:, None])[:, 0]
            length = block_clusters(series) if ordered else 1

            def draw() -> Floats:
                values = resampled_metrics(
                    METRICS[metric], challenger, champion, clusters=clusters, length=length, rng=rng
                )
                differences = gain(*values)
                finite: Floats = differences[np.isfinite(differences)]
                return finite

        else:
            both = np.concatenate(
                [influence.contributions(scored) for scored in (challenger, champion)], axis=1
            )
            sums = resampling.joined(resampling.sums_by(clusters, both), most)
            width, value = both.shape[1] // 2, influence.value

            def statistic(totals: Floats) -> Floats:
                return gain(value(totals[..., :width]), value(totals[..., width:]))

            slope = slope_of(statistic, sums)
            per_row, series = both @ slope, sums @ slope
            length = block_clusters(series) if ordered else 1

            def draw() -> Floats:
                return statistic(resampling.resample(sums, length, rng))

        blocks = series.size // length
        if blocks < FEWEST_BLOCKS:
            return _without_interval(f"{series.size} {unit} are too few to judge")
        widened = widening(per_row, series, length, dependence)
        if widened.periods < FEWEST_PERIODS:
            worth = f"are worth fewer than {FEWEST_PERIODS:.0f} independent ones"
            return _without_interval(f"instants depend on each other for so long that {series.size} {worth}")
        drawn = draw()
        standard_error = float(np.std(drawn)) * math.sqrt(blocks / (blocks - 1))
    margin = widened.margin(standard_error, 0.5 + confidence / 2) if standard_error else 0.0
    over = f"over {unit}" if length == 1 else f"in blocks of {length} {unit}"
    components = "of DeLong components " if metric == "roc_auc" else ""
    resampled = f"paired bootstrap {components}{over}{widened.note}"
    if METRICS[metric].direction == "lower" and point < 1.0:
        center = math.log1p(-point)
        return -math.expm1(min(center + margin, 700.0)), -math.expm1(center - margin), resampled
    return point - margin, point + margin, resampled


def _without_interval(reason: str) -> tuple[float, float, str]:
    return float("nan"), float("nan"), f"no interval: {reason}"


def block_clusters(series: Floats) -> int:
    """Return the clusters per block; never so many that fewer than `FEWEST_BLOCKS` blocks are left.

    Args:
        series: What each cluster adds to a statistic, shape (n,), in order of time.

    Returns:
        At least 1.
    """
    if np.abs(series).sum() < ROUNDING:
        return 1
    length = resampling.block_length(series)
    if length < SHORTEST_BLOCK:
        return 1
    return max(min(math.ceil(BLOCK_LENGTH_FACTOR * length), series.size // FEWEST_BLOCKS), 1)


def slope_of(statistic: Callable[[Floats], Floats], sums: Floats) -> Floats:
    """Return the gradient of a statistic by the totals; contributions times it are what each row or cluster adds.

    Args:
        statistic: From totals, shape (..., k), to values, shape (...).
        sums: Contributions per cluster, shape (clusters, k).

    Returns:
        Shape (k,); 0 where the gradient is not finite.
    """
    totals = sums.sum(axis=0)
    steps = np.diag(np.maximum(np.abs(totals), np.abs(sums).sum(axis=0) * 1e-3) * 1e-4 + 1e-12)
    slope: Floats = np.nan_to_num(
        (statistic(totals + steps) - statistic(totals - steps)) / (2 * np.diag(steps))
    )
    return slope

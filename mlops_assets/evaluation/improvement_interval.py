"""The interval of a relative improvement: a paired bootstrap over dependent rows.

point +- Student's t (blocks - 1 degrees of freedom) x bootstrap standard error, on the logarithm of the ratio
for errors, on the difference otherwise.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.evaluation import resampling
from mlops_assets.evaluation.clusters import Dependence
from mlops_assets.evaluation.improvement import gains
from mlops_assets.evaluation.row_resampling import paired_error_differences, resampled_metrics
from mlops_assets.metrics import METRICS, Floats, Scored

FEWEST_BLOCKS: Final = 5
"""With fewer independent blocks their variance is not known well enough."""
FEWEST_ENTITIES: Final = 10
"""With fewer entities the result speaks for these entities only."""
BLOCK_LENGTH_FACTOR: Final = 2.0
"""Blocks are taken this much longer than the rule says, which aims at the variance and not at the error of a test. With
errors of autocorrelation 0.9 and 200 rows, equally good models then pass 4 % of the time instead of 7 %."""
ROUNDING: Final = 1e-9
"""Twins differ by rounding only, whose autocorrelation means nothing."""
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
            sums = resampling.sums_by(clusters, per_row[:, None])
            length = _length(sums[:, 0]) if ordered else 1

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

            length = _length(_influence(statistic, sums)) if ordered else 1
            per_row = _influence(statistic, both) if dependence.entities is not None else np.empty(0)

            def draw() -> Floats:
                return statistic(resampling.resample(sums, length, rng))

        blocks = sums.shape[0] // length
        if blocks < FEWEST_BLOCKS:
            few = f"{sums.shape[0]} {unit}" + ("" if length == 1 else f" in blocks of {length}")
            return float("nan"), float("nan"), f"no interval: {few} are too few to judge"
        drawn = draw()
        standard_error = float(np.std(drawn)) * math.sqrt(blocks / (blocks - 1))
    inflation, freedom, among = _between_entities(per_row, dependence.entities, blocks - 1)
    standard_error *= inflation
    margin = student_quantile(0.5 + confidence / 2, freedom) * standard_error if standard_error else 0.0
    over = f"over {unit}" if length == 1 else f"in blocks of {length} {unit}"
    resampled = f"paired bootstrap {'of DeLong components ' if metric == 'roc_auc' else ''}{over}{among}"
    if METRICS[metric].direction == "lower" and point < 1.0:
        centre = math.log1p(-point)
        return -math.expm1(min(centre + margin, 700.0)), -math.expm1(centre - margin), resampled
    return point - margin, point + margin, resampled


def _between_entities(
    per_row: Floats, entities: NDArray[np.int64] | None, freedom: int
) -> tuple[float, int, str]:
    """How much wider the interval is because rows of one entity depend on each other however far apart they are.

    Two-way clustering: variance by time plus variance by entity less variance by row (Cameron, Gelbach & Miller 2011).
    Below `FEWEST_ENTITIES` the result speaks for these entities only, and says so.
    """
    if entities is None:
        return 1.0, freedom, ""
    count = int(entities.max()) + 1
    if count < FEWEST_ENTITIES:
        return 1.0, freedom, f", for these {count} entities only: too few to speak for others"
    centered = np.nan_to_num(per_row - per_row.mean())
    by_row = float(centered @ centered)
    by_entity = float((np.bincount(entities, centered) ** 2).sum())
    if by_row <= ROUNDING**2 or by_entity <= by_row:
        return 1.0, freedom, f" and {count} entities"
    return math.sqrt(by_entity / by_row), min(freedom, count - 1), f" and {count} entities"


def _length(series: Floats) -> int:
    if np.abs(series).sum() < ROUNDING:
        return 1
    length = resampling.block_length(series)
    return 1 if length < SHORTEST_BLOCK else math.ceil(BLOCK_LENGTH_FACTOR * length)


def _influence(statistic: object, sums: Floats) -> Floats:
    """How each cluster pushes the statistic: its contributions times the gradient by the totals."""
    assert callable(statistic)
    totals = sums.sum(axis=0)
    steps = np.diag(np.maximum(np.abs(totals), np.abs(sums).sum(axis=0) * 1e-3) * 1e-4 + 1e-12)
    slope = (statistic(totals + steps) - statistic(totals - steps)) / (2 * np.diag(steps))
    contribution: Floats = sums @ np.nan_to_num(slope)
    return contribution


def student_quantile(probability: float, freedom: int) -> float:
    """Return a quantile of Student's t distribution above the median.

    Args:
        probability: Probability, from 0.5 to below 1.
        freedom: Degrees of freedom, from 1.

    Returns:
        The quantile.
    """
    from scipy.special import stdtrit

    return float(stdtrit(freedom, probability))

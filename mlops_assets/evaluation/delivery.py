"""Promised and delivered: how much better a champion was than its predecessor in the weeks after its promotion.

Comes in: both models as served, rows with targets that came after both were fitted, and the comparison that promoted
the champion. Goes out: a `Delivery`.
"""

from __future__ import annotations

from datetime import datetime

import polars as pl

from mlops_assets.artifacts import Comparison, Delivery, Predictor
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.later import dependence_in_time, scored_pair
from mlops_assets.evaluation.scoring import in_order
from mlops_assets.model_file import ModelSpec


def delivery(
    spec: ModelSpec,
    versions: tuple[int, int],
    predictors: tuple[Predictor, Predictor],
    rows: pl.DataFrame,
    promise: Comparison,
    at: datetime,
) -> Delivery:
    """Compare a champion with its predecessor on later rows, by the metric that promoted it.

    Args:
        spec: The model file; it has a timestamp.
        versions: The former champion and the champion.
        predictors: Both as served.
        rows: Rows with targets that came after both were fitted.
        promise: The comparison in the evidence of the promotion.
        at: When this is measured.

    Returns:
        What was promised and what was delivered.
    """
    assert spec.timestamp is not None
    ordered = in_order(spec, rows)
    theirs, ours = scored_pair(spec, *predictors, ordered)
    dependence = dependence_in_time(spec, ordered)
    delivered = compare(promise.metric, ours, theirs, dependence=dependence, seed=spec.training.seed)
    times = ordered[spec.timestamp]
    return Delivery(versions[0], versions[1], promise, delivered, times[0], times[-1], at)

"""Prediction intervals by split conformal prediction, for any algorithm.

The interval comes from the residuals on rows that the algorithm was not fitted on (Lei, G'Sell, Rinaldo, Tibshirani &
Wasserman 2018).

Comes in: targets and predictions (validation part). Goes out: an `Interval`, applied later. The truth of
a new row lies inside with at least the requested level, as long as new rows come from where the validation rows came
from. Two things loosen that: the validation part also chose the candidate (and stopped it early), which is a
little optimistic; and a series that drifts. The coverage measured on the holdout says how much.

Distances are taken on the scale that was learned, so that the bounds of a model of logarithms are shares of its
prediction. They are signed: an error that leans to one side makes an interval that does. Where rows are about
entities and one has validation rows enough, it has distances of its own (Mondrian conformal prediction, Vovk et al.
2005), for a noisy service and a quiet one do not share an error.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Bounds, Interval
from mlops_assets.model_file.training import TargetTransform
from mlops_assets.training.algorithms.base.target_transform import INVERSES, TRANSFORMS

Floats = NDArray[np.float64]
LARGEST_SUM: Final = 1e300
"""Numbers to which any distance can be added without an overflow."""
ENTITY_ROWS: Final = 100
"""An entity with fewer rows shares the distances of all: the coverage of its own would vary by more than 3 %."""


def calibrate(
    level: float,
    truth: NDArray[Any],
    predictions: NDArray[Any],
    *,
    scale: TargetTransform = "none",
    entity: pl.Series | None = None,
) -> Interval | None:
    """Return the interval that covered `level` of these rows, widened because there are only so many.

    Args:
        level: The probability that the truth lies inside.
        truth: Validation targets (rows,).
        predictions: Their predictions (rows,).
        scale: The scale that residuals are taken on.
        entity: The column that says which entity each row is about.

    Returns:
        None, no interval rather than a wrong one, when the rows are too few for the level (19 for 90 %, 39 for
        95 %, 199 for
        99 %) or one of them has no finite residual.
    """
    with np.errstate(all="ignore"):
        residuals = TRANSFORMS[scale](np.asarray(truth, dtype=np.float64)) - TRANSFORMS[scale](
            np.asarray(predictions, dtype=np.float64)
        )
    distances = _distances(level, residuals) if np.isfinite(residuals).all() else None
    if distances is None:
        return None
    own: dict[str, tuple[float, float]] = {}
    if entity is not None:
        rows = pl.DataFrame({"entity": entity.cast(pl.String), "residual": residuals})
        for (name,), of_one in rows.drop_nulls("entity").group_by("entity", maintain_order=True):
            if of_one.height >= ENTITY_ROWS and (one := _distances(level, of_one["residual"].to_numpy())):
                own[str(name)] = one
    name = entity.name if entity is not None else None
    return Interval(level, *distances, rows=int(residuals.size), scale=scale, entity=name, entities=own)


def _distances(level: float, residuals: Floats) -> tuple[float, float] | None:
    """How far below and above a prediction the truth lies.

    Of n signed distances the k-th smallest and the k-th largest, k = floor((n + 1) (1 - level) / 2), so that
    either side misses with at most (1 - level) / 2; None where k is 0.
    """
    k = math.floor((residuals.size + 1) * (1.0 - level) / 2.0 + 1e-9)
    if k < 1:
        return None
    ordered = np.sort(residuals)
    return -float(ordered[k - 1]), float(ordered[-k])


def bounds_of_one(interval: Interval, prediction: float) -> tuple[float, float] | None:
    """Return the interval around one prediction, as `bounds` does, without an array.

    Args:
        interval: What `calibrate` returned.
        prediction: The prediction.

    Returns:
        Lower and upper bound; None where only `bounds` knows them.
    """
    if interval.scale != "none" or interval.entities or not abs(prediction) < LARGEST_SUM:
        return None
    return prediction - interval.below, prediction + interval.above


def bounds(interval: Interval, predictions: NDArray[Any], entity: pl.Series | None = None) -> Bounds:
    """Return the interval around predictions (rows,). A row without two finite bounds has NaN for both.

    Args:
        interval: What `calibrate` returned.
        predictions: Predictions (rows,).
        entity: The column `interval.entity` of the same rows; unknown entities have the distances of all.

    Returns:
        Lower and upper bounds, shape (rows,) each.
    """
    center = np.asarray(predictions, dtype=np.float64)
    if interval.scale == "none" and not interval.entities and (np.abs(center) < LARGEST_SUM).all():
        # one row over HTTP: what follows takes six times as long, for the same bounds
        return Bounds(interval.level, center - interval.below, center + interval.above)
    below, above = (np.full(center.shape, distance) for distance in (interval.below, interval.above))
    if entity is not None and interval.entities:
        names = entity.cast(pl.String).to_list()
        known = [interval.entities.get(name, (interval.below, interval.above)) for name in names]
        below, above = np.array(known, dtype=np.float64).reshape(-1, 2).T
    with np.errstate(all="ignore"):
        transformed = TRANSFORMS[interval.scale](center)
        low, high = (
            INVERSES[interval.scale](transformed - below),
            INVERSES[interval.scale](transformed + above),
        )
    there = np.isfinite(low) & np.isfinite(high)
    return Bounds(interval.level, np.where(there, low, np.nan), np.where(there, high, np.nan))

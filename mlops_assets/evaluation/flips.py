"""What changes for the same inputs when one model replaces another: predictions that flip, and how far they move.

Comes in: the same rows, scored by both. Goes out: `Flips` of all rows and of each slice. Two models with the same
metric may disagree on every tenth row, which whoever acts on predictions notices (Milani Fard et al. 2016, "Launch and
Iterate: Reducing Prediction Churn").
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Flips
from mlops_assets.evaluation.slices import MAX_VALUES, labeled
from mlops_assets.metrics import Floats, Scored
from mlops_assets.model_file import ModelSpec

MOST: Final = 0.95
"""Share of rows whose distance `moved_most` is not below."""


def flips(spec: ModelSpec, rows: pl.DataFrame, challenger: Scored, champion: Scored) -> tuple[Flips, ...]:
    """Count flips on all rows, then on each slice.

    Args:
        spec: The model file; `evaluation.slices` names the columns.
        rows: The scored rows, in the same order.
        challenger: Truth and predictions.
        champion: The same rows, predicted by the champion.

    Returns:
        All rows first; nothing when there are no rows.
    """
    if not challenger.truth.size:
        return ()
    tolerance = None if champion.classes else _rmse(champion)
    right, was_right = _right(challenger, tolerance), _right(champion, tolerance)
    mean, distance = _moved(challenger, champion)

    def counted(column: str, value: str, mask: NDArray[np.bool_]) -> Flips:
        return Flips(
            column,
            value,
            int(mask.sum()),
            int((was_right & ~right & mask).sum()),
            int((right & ~was_right & mask).sum()),
            float(mean[mask].mean()),
            float(np.quantile(distance[mask], MOST, method="higher")),
            tolerance,
        )

    counts = [counted("", "", np.ones(challenger.truth.size, dtype=bool))]
    for column in spec.evaluation.slices:
        names = labeled(rows[column]).fill_null("missing")
        common = names.value_counts(sort=True).head(MAX_VALUES)[names.name]
        counts += [counted(column, value, (names == value).to_numpy()) for value in common.sort().to_list()]
    return tuple(counts)


def _rmse(scored: Scored) -> float:
    return float(np.sqrt(np.mean((scored.predicted - scored.truth) ** 2)))


def _right(scored: Scored, tolerance: float | None) -> NDArray[np.bool_]:
    """Return which rows are right; a prediction that is not finite never is."""
    if tolerance is None:
        return np.asarray((scored.predicted == scored.truth) & (scored.predicted >= 0))
    return np.asarray(np.abs(scored.predicted - scored.truth) <= tolerance)


def _moved(challenger: Scored, champion: Scored) -> tuple[Floats, Floats]:
    """Return per row what the mean is taken of, and the distance; a prediction that is not finite is infinitely far."""
    if not champion.classes:
        scale = float(np.std(champion.truth)) or 1.0
        distance = np.abs(challenger.predicted - champion.predicted) / scale
        known: Floats = np.where(np.isnan(distance), np.inf, distance)
        return known, known
    changed: Floats = (challenger.predicted != champion.predicted).astype(np.float64)
    ours: Any = challenger.probabilities
    theirs: Any = champion.probabilities
    if ours is None or theirs is None or ours.shape != theirs.shape:
        return changed, changed
    variation: Floats = 0.5 * np.abs(ours - theirs).sum(axis=1)
    return changed, np.where(np.isnan(variation), np.inf, variation)

"""Two models on the same rows: is the challenger really better, or would other rows have said otherwise?

Comes in: both models' predictions of the same rows. Goes out: a `Comparison` with the relative improvement and its
interval. What to do about it is for the gates in `promotion`.

The test is paired: both models are measured on every resample together. Rows of one instant (temporal split; with
entities, one bin of their usual step), one group (group split) or one entity (other splits) are drawn together, and
instants in blocks whose length comes from the autocorrelation of the difference (`improvement_interval`).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from mlops_assets.artifacts import Comparison, Part
from mlops_assets.errors import EvidenceError
from mlops_assets.evaluation.clusters import INDEPENDENT, Dependence
from mlops_assets.evaluation.improvement import relative_improvement
from mlops_assets.evaluation.improvement_interval import improvement_interval
from mlops_assets.evaluation.mcnemar import widen_by_mcnemar
from mlops_assets.metrics import METRICS, Scored

POSITIVE_CLASS_METRICS: Final = frozenset({"roc_auc", "pr_auc", "f1", "precision", "recall"})
FEWEST_OF_A_CLASS: Final = 10
"""Of two classes; with 2 of 30 rows positive, models of pure noise beat the most frequent class 13 % of the time."""


def compare(
    metric: str,
    challenger: Scored,
    champion: Scored,
    *,
    part: Part = "test",
    confidence: float = 0.95,
    dependence: Dependence = INDEPENDENT,
    seed: int = 0,
) -> Comparison:
    """Return the comparison of two models on one metric; low and high are NaN when they cannot be estimated.

    Args:
        metric: Name of the metric.
        challenger: Truth and predictions.
        champion: The same rows, predicted by the champion (or by a naive baseline).
        part: Part of the split, for the record.
        confidence: Two-sided, of the interval.
        dependence: How the rows depend on each other.
        seed: Of the resampling.

    Returns:
        Both values, the relative improvement and its interval.

    Raises:
        EvidenceError: The two did not predict the same rows.
    """
    if not np.array_equal(challenger.truth, champion.truth, equal_nan=True):
        raise EvidenceError("challenger and champion were scored on different rows and cannot be compared")
    challenger_value, champion_value = (METRICS[metric].measure(scored) for scored in (challenger, champion))
    point = relative_improvement(metric, challenger_value, champion_value)
    rows = challenger.truth.size
    low = high = float("nan")
    method, needed = "no interval: a metric could not be measured", None
    if (few := _few_of_a_class(metric, challenger)) is not None:
        method = f"no interval: {few}"
    elif math.isfinite(point):
        low, high, method = improvement_interval(
            metric, challenger, champion, point, champion_value, confidence, dependence, seed
        )
        if metric == "accuracy" and dependence.clusters is None and not dependence.ordered:
            low, high, method = widen_by_mcnemar(challenger, champion, low, high, confidence, method)
        needed = _rows_needed(point, low, rows)
    return Comparison(
        metric, part, challenger_value, champion_value, point, low, high, confidence, method, rows, needed
    )


def _few_of_a_class(metric: str, scored: Scored) -> str | None:
    """Why a metric of the positive class cannot be compared: an area over two positive rows is a draw of two rows."""
    if metric not in POSITIVE_CLASS_METRICS or len(scored.classes) != 2:
        return None
    rows = min(int((scored.truth == code).sum()) for code in (0, 1))
    return (
        f"{rows} rows of the rarer class are fewer than {FEWEST_OF_A_CLASS}"
        if rows < FEWEST_OF_A_CLASS
        else None
    )


def _rows_needed(point: float, low: float, rows: int) -> int | None:
    """Rows at which the interval would leave 0 if the improvement stays as it is; its width shrinks with their root."""
    if not (point > 0 and math.isfinite(low)):
        return None
    if low > 0:
        return rows
    if point >= 1:
        return None
    center, margin = -math.log1p(-point), -math.log1p(-point) + math.log1p(-low)
    return math.ceil(rows * (margin / center) ** 2)

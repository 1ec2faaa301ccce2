"""Fairness between groups: selection rate, equal opportunity, equalized odds and accuracy, with fairlearn.

Comes in: scored holdout rows of a classifier and the columns of `evaluation.sensitive`. Goes out: one flat row per
column and measure. Without sensitive columns or classes there are no rows, and gates are 'not applicable'. Of two
classes the positive one is selected; for more, only accuracy per group has a meaning.
"""

from __future__ import annotations

import math
import warnings
from typing import Any, Final

import numpy as np
from pydantic import JsonValue

from mlops_assets.artifacts import Split
from mlops_assets.evaluation.scoring import in_order
from mlops_assets.evaluation.slices import labeled
from mlops_assets.metrics import Scored
from mlops_assets.model_file import ModelSpec

MIN_ROWS: Final = 30
"""Groups with fewer holdout rows are not measured."""
MEASURES: Final[dict[str, tuple[str, ...]]] = {
    "selection_rate": ("selection_rate",),
    "equal_opportunity": ("true_positive_rate",),
    "equalised_odds": ("true_positive_rate", "false_positive_rate"),
    "group_accuracy": ("accuracy",),
}


def fairness_rows(spec: ModelSpec, split: Split, scored: Scored) -> tuple[dict[str, JsonValue], ...]:
    """Compute difference, ratio and worst group of every measure and sensitive column.

    Args:
        spec: The model file; `evaluation.sensitive` names the columns.
        split: The rows of all parts.
        scored: Scored holdout rows.

    Returns:
        One row per measure and column; empty for numbers or without a sensitive column.
    """
    if spec.problem != "classification" or not spec.evaluation.sensitive:
        return ()
    frame = in_order(spec, split.test)
    measures: list[dict[str, JsonValue]] = []
    for column in spec.evaluation.sensitive:
        groups = labeled(frame[column]).fill_null("missing").to_numpy()
        names, counts = np.unique(groups, return_counts=True)
        large = set(names[counts >= MIN_ROWS])
        usable = np.isin(groups, list(large)) & (scored.truth >= 0) & (scored.predicted >= 0)
        rates = _by_group(scored.subset(usable), groups[usable]) if len(large) > 1 else None
        for measure in MEASURES:
            if rates is None:
                reason = f"fewer than two groups have {MIN_ROWS} holdout rows"
                measures.append(_unmeasured(column, measure, reason))
            elif len(scored.classes) != 2 and measure != "group_accuracy":
                measures.append(_unmeasured(column, measure, "has no meaning for more than two classes"))
            else:
                measures.append(_measured(column, measure, rates))
    return tuple(measures)


def _unmeasured(column: str, measure: str, reason: str) -> dict[str, JsonValue]:
    return {
        "column": column,
        "measure": measure,
        "difference": None,
        "ratio": None,
        "worst": None,
        "groups": 0,
        "note": reason,
    }


def _by_group(scored: Scored, groups: Any) -> Any:
    """Fairlearn's frame of every rate that has a meaning, per group."""
    from fairlearn import metrics as fairlearn

    rates: dict[str, Any] = {"accuracy": _accuracy}
    truth, called = scored.truth, scored.predicted
    if len(scored.classes) == 2:
        truth, called = truth.astype(int), called.astype(int)
        rates |= {
            "selection_rate": fairlearn.selection_rate,
            "true_positive_rate": fairlearn.true_positive_rate,
            "false_positive_rate": fairlearn.false_positive_rate,
        }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = fairlearn.MetricFrame(metrics=rates, y_true=truth, y_pred=called, sensitive_features=groups)
        return frame.by_group


def _measured(column: str, measure: str, by_group: Any) -> dict[str, JsonValue]:
    rates = MEASURES[measure]
    lowest, highest = by_group.min(), by_group.max()
    worst = by_group[rates[0]].idxmin()
    return {
        "column": column,
        "measure": measure,
        "difference": _finite(max(float(highest[rate] - lowest[rate]) for rate in rates)),
        "ratio": _finite(min(_ratio(float(lowest[rate]), float(highest[rate])) for rate in rates)),
        "worst": _finite(float(lowest[rates[0]])),
        "groups": len(by_group),
        "note": f"lowest {rates[0].replace('_', ' ')}: {worst}",
    }


def _ratio(lowest: float, highest: float) -> float:
    """Return the ratio of the rates; groups that all have a rate of 0 are equal."""
    return 1.0 if lowest == highest == 0 else lowest / highest if highest else math.nan


def _accuracy(truth: Any, called: Any) -> float:
    return float(np.mean(np.asarray(truth) == np.asarray(called)))


def _finite(value: float) -> JsonValue:
    return value if math.isfinite(value) else "NaN"

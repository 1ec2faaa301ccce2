# ruff: noqa: ARG001 - every metric and every average takes the same arguments
"""Metrics that need no more than counts: per class, how many rows were called so rightly, wrongly, or missed.

Comes in: truth and predictions as class codes. Goes out: one number, or one row per class. Per-class numbers and their
averages take arrays of shape (..., classes), so that thousands of resamples are one call; what they mean for missing
values and for classes nobody saw is the business of the metrics at the end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from mlops_assets.artifacts import ClassRow, Metrics
from mlops_assets.evaluation.scoring import Floats, Scored, usable

NAN = float("nan")
Formula: TypeAlias = Callable[[Floats, Floats, Floats], Floats]
"""Per class, from true positives, false positives and false negatives."""
Average: TypeAlias = Callable[[Floats, Floats, Floats, Floats], Floats]
"""Over classes, from the numbers per class and the same three counts."""


def class_counts(y_true: Floats, y_pred: Floats, classes: int) -> tuple[Floats, Floats, Floats]:
    """True positives, false positives and false negatives, each (classes,)."""
    right = y_true == y_pred
    kinds = np.arange(classes)
    hits = (y_true[:, None] == kinds) & right[:, None]
    return (
        hits.sum(axis=0).astype(float),
        ((y_pred[:, None] == kinds) & ~right[:, None]).sum(axis=0).astype(float),
        ((y_true[:, None] == kinds) & ~right[:, None]).sum(axis=0).astype(float),
    )


def precision_of(right: Floats, extra: Floats, missed: Floats) -> Floats:
    """Per class, of the rows called so, how many are; 0 when none was called so."""
    return _divide(right, right + extra)


def recall_of(right: Floats, extra: Floats, missed: Floats) -> Floats:
    """Per class, of the rows that are so, how many were found; 0 when there are none."""
    return _divide(right, right + missed)


def f1_of(right: Floats, extra: Floats, missed: Floats) -> Floats:
    """Per class, the harmonic mean of precision and recall."""
    return _divide(2 * right, 2 * right + extra + missed)


def macro(per_class: Floats, right: Floats, extra: Floats, missed: Floats) -> Floats:
    """The plain mean over the classes that occur, in truth or in predictions: a rare class counts as much as any."""
    present = right + extra + missed > 0
    mean: Floats = np.where(present, per_class, 0.0).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
    return mean


def weighted(per_class: Floats, right: Floats, extra: Floats, missed: Floats) -> Floats:
    """The mean over classes, each weighing as much as it has rows."""
    support = right + missed
    return _divide((per_class * support).sum(axis=-1), support.sum(axis=-1))


def positive_or_macro(per_class: Floats, right: Floats, extra: Floats, missed: Floats) -> Floats:
    """The positive class (the last of two), or the plain mean where there are more."""
    if per_class.shape[-1] == 2:
        positive: Floats = per_class[..., 1]
        return positive
    return macro(per_class, right, extra, missed)


def _divide(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)


def _metric(
    y_true: Floats, y_pred: Floats, probabilities: Floats | None, formula: Formula, average: Average
) -> float:
    if not usable(y_true, y_pred):
        return NAN
    right, extra, missed = class_counts(y_true, y_pred, _classes(y_true, y_pred, probabilities))
    present = right + extra + missed > 0
    if not present.any() or (average is positive_or_macro and present.size == 2 and not present[1]):
        return NAN
    return float(average(formula(right, extra, missed), right, extra, missed))


def _classes(y_true: Floats, y_pred: Floats, probabilities: Floats | None) -> int:
    if probabilities is not None and probabilities.ndim == 2:
        return int(probabilities.shape[1])
    return int(max(y_true.max(), y_pred.max(), 1.0)) + 1


def precision(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Precision of the positive class, or its mean over classes (macro) where there are more than two."""
    return _metric(y_true, y_pred, probabilities, precision_of, positive_or_macro)


def recall(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Recall of the positive class, or macro."""
    return _metric(y_true, y_pred, probabilities, recall_of, positive_or_macro)


def f1(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """F1 of the positive class, or macro."""
    return _metric(y_true, y_pred, probabilities, f1_of, positive_or_macro)


def precision_macro(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean precision of all classes, also where there are two."""
    return _metric(y_true, y_pred, probabilities, precision_of, macro)


def recall_macro(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean recall of all classes, also where there are two: what others call balanced accuracy."""
    return _metric(y_true, y_pred, probabilities, recall_of, macro)


def f1_macro(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean F1 of all classes, also where there are two."""
    return _metric(y_true, y_pred, probabilities, f1_of, macro)


def f1_weighted(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean F1 of all classes, each weighing as much as it has rows."""
    return _metric(y_true, y_pred, probabilities, f1_of, weighted)


def class_rows(challenger: Scored, champion: Scored | None) -> tuple[ClassRow, ...]:
    """Precision, recall and F1 of every class; none for numbers. Both must have answered the same rows."""
    if not challenger.classes:
        return ()
    ours = _per_class(challenger)
    theirs = _per_class(champion) if champion else None
    return tuple(
        ClassRow(
            label=label,
            support=int((challenger.truth == code).sum()),
            challenger=ours[code],
            champion=theirs[code] if theirs else None,
        )
        for code, label in enumerate(challenger.classes)
    )


def _per_class(scored: Scored) -> list[Metrics]:
    """Recall and F1 of a class without rows are NaN: there was nothing to find."""
    counts = class_counts(scored.truth, scored.predicted, len(scored.classes))
    there = counts[0] + counts[2] > 0
    shown = {
        "precision": precision_of(*counts),
        "recall": np.where(there, recall_of(*counts), NAN),
        "f1": np.where(there, f1_of(*counts), NAN),
    }
    return [
        {name: float(values[code]) for name, values in shown.items()} for code in range(len(scored.classes))
    ]

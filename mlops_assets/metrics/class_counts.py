# ruff: noqa: ARG001 - every average takes the same arguments
"""Counts per class: true positives, false positives and false negatives, and what is computed from them.

Per-class numbers and their averages take arrays of shape (..., classes), so that thousands of resamples are one call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from mlops_assets.lazy_numpy import Booleans, Floats, np
from mlops_assets.metrics.influence import Influence
from mlops_assets.metrics.scored import Scored

Formula: TypeAlias = Callable[[Floats, Floats, Floats], Floats]
"""Per class, from true positives, false positives and false negatives."""
Average: TypeAlias = Callable[[Floats, Floats, Floats, Floats], Floats]
"""Over classes, from the numbers per class and the same three counts."""


def count_classes(scored: Scored) -> int:
    """Return the number of classes, at least 2.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Number of classes.
    """
    if scored.classes:
        return max(len(scored.classes), 2)
    if scored.probabilities is not None and scored.probabilities.ndim == 2:
        return int(scored.probabilities.shape[1])
    return int(max(scored.truth.max(initial=1.0), scored.predicted.max(initial=1.0))) + 1


def class_counts(scored: Scored) -> tuple[Floats, Floats, Floats]:
    """Return true positives, false positives and false negatives, each of shape (classes,).

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Three float64 arrays of shape (classes,).
    """
    true, false, missed = np.split(_contributions(scored).sum(axis=0), 3)
    return true, false, missed


def precisions(true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the precision per class: TP / (TP + FP).

    Args:
        true: True positives, shape (..., classes).
        false: False positives, shape (..., classes).
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (..., classes); 0 if the class was never predicted.
    """
    return _divide(true, true + false)


def recalls(true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the recall per class: TP / (TP + FN).

    Args:
        true: True positives, shape (..., classes).
        false: False positives, shape (..., classes).
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (..., classes); 0 if the class does not occur.
    """
    return _divide(true, true + missed)


def f1_scores(true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the F1 score per class: 2 TP / (2 TP + FP + FN).

    Args:
        true: True positives, shape (..., classes).
        false: False positives, shape (..., classes).
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (..., classes); 0 if the class neither occurs nor was predicted.
    """
    return _divide(2 * true, 2 * true + false + missed)


def macro(per_class: Floats, true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the unweighted mean over the classes that occur in truth or in predictions.

    Args:
        per_class: A value per class, shape (..., classes).
        true: True positives, shape (..., classes).
        false: False positives, shape (..., classes).
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (...).
    """
    return _mean_where(per_class, true + false + missed > 0)


def over_true_classes(per_class: Floats, true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the unweighted mean over the classes that occur in truth.

    Args:
        per_class: A value per class, shape (..., classes).
        true: True positives, shape (..., classes).
        false: False positives, shape (..., classes).
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (...).
    """
    return _mean_where(per_class, true + missed > 0)


def weighted(per_class: Floats, true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the mean over classes, weighted by their numbers of rows.

    Args:
        per_class: A value per class, shape (..., classes).
        true: True positives, shape (..., classes).
        false: False positives; not used, all averages have one signature.
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (...).
    """
    support = true + missed
    return _divide((per_class * support).sum(axis=-1), support.sum(axis=-1))


def positive_or_macro(per_class: Floats, true: Floats, false: Floats, missed: Floats) -> Floats:
    """Return the value of the positive class (the second of two), or the unweighted mean of more than two.

    Args:
        per_class: A value per class, shape (..., classes).
        true: True positives, shape (..., classes).
        false: False positives, shape (..., classes).
        missed: False negatives, shape (..., classes).

    Returns:
        Shape (...).
    """
    if per_class.shape[-1] == 2:
        positive: Floats = per_class[..., 1]
        return positive
    return macro(per_class, true, false, missed)


def rows(scored: Scored) -> float:
    """Return the number of rows: what a proportion of all rows rests on.

    Args:
        scored: Truth and predictions of n rows.

    Returns:
        n.
    """
    return float(scored.truth.size)


def rows_over_classes(scored: Scored) -> float:
    """Return the rows of the rarest true class times the number of true classes.

    Without errors, the mean over classes is known no better than the rarest class, which has that share in it.

    Args:
        scored: Truth and predictions of n rows.

    Returns:
        At most n.
    """
    _, counts = np.unique(scored.truth, return_counts=True)
    return float(counts.min(initial=scored.truth.size) * counts.size)


def positive_or_all_rows(scored: Scored) -> float:
    """Return the rows of the positive class of two; `rows_over_classes` of more.

    Args:
        scored: Truth and predictions of n rows.

    Returns:
        At most n; 0 without a positive row.
    """
    if count_classes(scored) == 2:
        return float((scored.truth == 1).sum())
    return rows_over_classes(scored)


def influence_of(formula: Formula, average: Average) -> Influence:
    """Return the influence of a metric that averages a formula of counts over classes.

    Args:
        formula: `precisions`, `recalls` or `f1_scores`.
        average: One of the averages of this module.

    Returns:
        Contributions per row (n, 3 * classes), and the metric as a function of their sums.
    """

    def value(sums: Floats) -> Floats:
        true, false, missed = np.split(sums, 3, axis=-1)
        return average(formula(true, false, missed), true, false, missed)

    return Influence(_contributions, value)


def _contributions(scored: Scored) -> Floats:
    codes = np.arange(count_classes(scored))
    true, predicted = scored.truth[:, None] == codes, scored.predicted[:, None] == codes
    columns = [true & predicted, ~true & predicted, true & ~predicted]
    contributions: Floats = np.concatenate(columns, axis=1).astype(np.float64)
    return contributions


def _mean_where(per_class: Floats, present: Booleans) -> Floats:
    mean: Floats = np.where(present, per_class, 0.0).sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
    return mean


def _divide(above: Floats, below: Floats) -> Floats:
    return np.divide(above, below, out=np.zeros_like(above), where=below > 0)

"""Metrics of predicted classes. scikit-learn computes them; a label that the model does not know is never right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from mlops_assets.lazy_numpy import Floats, np
from mlops_assets.metrics.class_counts import (
    count_classes,
    f1_scores,
    influence_of,
    macro,
    over_true_classes,
    positive_or_all_rows,
    positive_or_macro,
    precisions,
    recalls,
    rows,
    rows_over_classes,
    weighted,
)
from mlops_assets.metrics.influence import mean_of
from mlops_assets.metrics.metric import CLASSES, NAN, Metric
from mlops_assets.metrics.scored import Scored


def accuracy(scored: Scored) -> float:
    """Compute the share of rows whose class is right.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(_codes(scored.truth), _codes(scored.predicted)))


def balanced_accuracy(scored: Scored) -> float:
    """Compute the mean recall of the classes that occur in truth.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import recall_score

    return _averaged(recall_score, scored, _known(scored.truth, scored), "macro")


def precision(scored: Scored) -> float:
    """Compute the precision of the positive class, or the mean over classes if there are more than two.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import precision_score

    return _averaged(precision_score, scored, _positive_or_all(scored), "macro")


def recall(scored: Scored) -> float:
    """Compute the recall of the positive class, or the mean over classes if there are more than two.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import recall_score

    return _averaged(recall_score, scored, _positive_or_all(scored), "macro")


def f1(scored: Scored) -> float:
    """Compute the F1 score of the positive class, or the mean over classes if there are more than two.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import f1_score

    return _averaged(f1_score, scored, _positive_or_all(scored), "macro")


def precision_macro(scored: Scored) -> float:
    """Compute the mean precision of the classes that occur in truth or in predictions.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import precision_score

    return _averaged(precision_score, scored, _occurring(scored), "macro")


def recall_macro(scored: Scored) -> float:
    """Compute the mean recall of the classes that occur in truth or in predictions.

    A class that is predicted and never true counts as 0; `balanced_accuracy` leaves it out.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import recall_score

    return _averaged(recall_score, scored, _occurring(scored), "macro")


def f1_macro(scored: Scored) -> float:
    """Compute the mean F1 score of the classes that occur in truth or in predictions.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import f1_score

    return _averaged(f1_score, scored, _occurring(scored), "macro")


def f1_weighted(scored: Scored) -> float:
    """Compute the mean F1 score of the classes, weighted by their rows.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 1.
    """
    from sklearn.metrics import f1_score

    return _averaged(f1_score, scored, _occurring(scored), "weighted")


def _codes(classes: Floats) -> Any:
    return classes.astype(np.int64)


def _known(values: Floats, scored: Scored) -> list[int]:
    """Codes that occur among the values and belong to a class."""
    return [int(code) for code in np.unique(values) if 0 <= code < count_classes(scored)]


def _occurring(scored: Scored) -> list[int]:
    return _known(np.concatenate([scored.truth, scored.predicted]), scored)


def _positive_or_all(scored: Scored) -> list[int]:
    occurring = _occurring(scored)
    return [code for code in occurring if code == 1] if count_classes(scored) == 2 else occurring


def _averaged(score: Callable[..., Any], scored: Scored, labels: list[int], average: str) -> float:
    if not labels:
        return NAN
    truth, predicted = _codes(scored.truth), _codes(scored.predicted)
    return float(score(truth, predicted, labels=labels, average=average, zero_division=0))


def _hits(scored: Scored) -> Floats:
    hits: Floats = (scored.predicted == scored.truth).astype(np.float64)
    return hits


CLASS_METRICS: Final = (
    Metric("accuracy", "higher", CLASSES, accuracy, bound=1.0, influence=mean_of(_hits), sample=rows),
    Metric(
        "balanced_accuracy",
        "higher",
        CLASSES,
        balanced_accuracy,
        bound=1.0,
        influence=influence_of(recalls, over_true_classes),
        sample=rows_over_classes,
    ),
    Metric(
        "precision",
        "higher",
        CLASSES,
        precision,
        bound=1.0,
        influence=influence_of(precisions, positive_or_macro),
        sample=positive_or_all_rows,
    ),
    Metric(
        "recall",
        "higher",
        CLASSES,
        recall,
        bound=1.0,
        influence=influence_of(recalls, positive_or_macro),
        sample=positive_or_all_rows,
    ),
    Metric(
        "f1",
        "higher",
        CLASSES,
        f1,
        bound=1.0,
        influence=influence_of(f1_scores, positive_or_macro),
        sample=positive_or_all_rows,
    ),
    Metric(
        "f1_macro",
        "higher",
        CLASSES,
        f1_macro,
        bound=1.0,
        influence=influence_of(f1_scores, macro),
        sample=rows_over_classes,
    ),
    Metric(
        "f1_weighted",
        "higher",
        CLASSES,
        f1_weighted,
        bound=1.0,
        influence=influence_of(f1_scores, weighted),
        sample=rows,
    ),
    Metric(
        "precision_macro",
        "higher",
        CLASSES,
        precision_macro,
        bound=1.0,
        influence=influence_of(precisions, macro),
        sample=rows_over_classes,
    ),
    Metric(
        "recall_macro",
        "higher",
        CLASSES,
        recall_macro,
        bound=1.0,
        influence=influence_of(recalls, macro),
        sample=rows_over_classes,
    ),
)

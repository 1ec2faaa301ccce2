# ruff: noqa: ARG001 - every metric takes the same three arguments
"""Metrics by name: pure functions from truth and predictions to one number.

Numbers come in as float64 of shape (rows,), classes as codes from 0 (-1: a label unknown to the model), probabilities
as (rows, classes). No rows, a missing value, or a quantity without meaning for these rows gives NaN, never an
exception and never a flattering nought. Those of intervals stand in `intervals`. Which way is better stands in
`spec.evaluation.METRIC_CATALOGUE`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlops_assets.evaluation.class_counts import (
    f1,
    f1_macro,
    f1_weighted,
    precision,
    precision_macro,
    recall,
    recall_macro,
)
from mlops_assets.evaluation.intervals import INTERVAL_METRICS, interval_metric
from mlops_assets.evaluation.scoring import Scored, usable

Floats: TypeAlias = NDArray[np.float64]
Metric: TypeAlias = Callable[[Floats, Floats, Floats | None], float]

NAN: Final = float("nan")
SMALLEST: Final = 1e-15
"""Probabilities are kept this far from 0 and 1 in logarithms."""


def _ratio(above: float, below: float) -> float:
    return float(above / below) if below else NAN


def rmse(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Root of the mean squared error, in units of the target."""
    return float(np.sqrt(np.mean((y_pred - y_true) ** 2))) if usable(y_true, y_pred) else NAN


def mae(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean absolute error, in units of the target."""
    return float(np.mean(np.abs(y_pred - y_true))) if usable(y_true, y_pred) else NAN


def bias(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean error: above 0 when predictions are too high."""
    return float(np.mean(y_pred - y_true)) if usable(y_true, y_pred) else NAN


def r2(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Share of variance explained; below 0 when worse than the mean; NaN for a constant target."""
    if not usable(y_true, y_pred):
        return NAN
    unexplained = _ratio(float(np.sum((y_true - y_pred) ** 2)), float(np.sum((y_true - y_true.mean()) ** 2)))
    return 1.0 - unexplained


def mape(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean absolute error relative to the truth (0.05 is 5 %); NaN where a true value is 0."""
    if not usable(y_true, y_pred) or bool((y_true == 0).any()):
        return NAN
    return float(np.mean(np.abs((y_pred - y_true) / y_true)))


def smape(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean of |error| over the mean of |truth| and |prediction|, from 0 to 2; a pair of noughts counts 0."""
    return float(np.mean(symmetric_errors(y_true, y_pred))) if usable(y_true, y_pred) else NAN


def symmetric_errors(y_true: Floats, y_pred: Floats) -> Floats:
    """The terms of sMAPE."""
    size = (np.abs(y_true) + np.abs(y_pred)) / 2
    terms: Floats = np.divide(np.abs(y_pred - y_true), size, out=np.zeros_like(size), where=size != 0)
    return terms


def wape(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Sum of absolute errors over sum of absolute truths (0.05 is 5 %)."""
    if not usable(y_true, y_pred):
        return NAN
    return _ratio(float(np.sum(np.abs(y_pred - y_true))), float(np.sum(np.abs(y_true))))


def mase(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean absolute error over that of repeating the row before; an evaluation puts the naive baseline in its place."""
    if not usable(y_true, y_pred) or y_true.size < 2:
        return NAN
    return _ratio(mae(y_true, y_pred), float(np.mean(np.abs(np.diff(y_true)))))


def accuracy(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Share of rows whose class is right."""
    return float(np.mean(y_true == y_pred)) if usable(y_true, y_pred) else NAN


def _with_shares(y_true: Floats, probabilities: Floats | None) -> Floats | None:
    if probabilities is None or probabilities.ndim != 2 or not usable(y_true, y_true):
        return None
    if (
        probabilities.shape[0] != y_true.size
        or probabilities.shape[1] < 2
        or bool(np.isnan(probabilities).any())
    ):
        return None
    return probabilities


def rank_area(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Area under the ROC curve of one class against the rest, ties counted half; NaN with one class only."""
    first, second = int(positive.sum()), int((~positive).sum())
    if not first or not second:
        return NAN
    return float((midranks(scores)[positive].sum() - first * (first + 1) / 2) / (first * second))


def midranks(scores: Floats) -> Floats:
    """Ranks from 1, equal scores sharing the mean of theirs."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    ends = np.cumsum(count)
    mean_rank: Floats = ends - (count - 1) / 2
    return mean_rank[place]


def average_precision(positive: NDArray[np.bool_], scores: Floats) -> float:
    """Area under the precision-recall curve in steps, equal scores together; NaN without a positive row."""
    if not positive.any():
        return NAN
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    steps = np.diff(hits[last], prepend=0)
    return float(np.sum(steps * hits[last] / (last + 1)) / hits[-1])


def _over_classes(
    y_true: Floats, probabilities: Floats | None, area: Callable[[NDArray[np.bool_], Floats], float]
) -> float:
    shares = _with_shares(y_true, probabilities)
    if shares is None:
        return NAN
    if shares.shape[1] == 2:
        return area(y_true == 1, shares[:, 1])
    present = [kind for kind in range(shares.shape[1]) if bool((y_true == kind).any())]
    return (
        float(np.mean([area(y_true == kind, shares[:, kind]) for kind in present]))
        if len(present) > 1
        else NAN
    )


def roc_auc(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Area under the ROC curve; one class against the rest, averaged, where there are more than two."""
    return _over_classes(y_true, probabilities, rank_area)


def pr_auc(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Average precision; one class against the rest, averaged, where there are more than two."""
    return _over_classes(y_true, probabilities, average_precision)


def log_losses(y_true: Floats, shares: Floats) -> Floats:
    """Minus the logarithm of the probability given to the true class; an unknown class had probability 0."""
    known = y_true >= 0
    given = np.where(known, shares[np.arange(y_true.size), np.where(known, y_true, 0).astype(np.int64)], 0.0)
    losses: Floats = -np.log(np.clip(given, SMALLEST, 1.0))
    return losses


def brier_terms(y_true: Floats, shares: Floats) -> Floats:
    """Squared distance between probabilities and truth; of the positive class alone where there are two (0 to 1)."""
    if shares.shape[1] == 2:
        terms: Floats = (shares[:, 1] - (y_true == 1)) ** 2
        return terms
    distance: Floats = np.sum((shares - (y_true[:, None] == np.arange(shares.shape[1]))) ** 2, axis=1)
    return distance


def log_loss(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Mean logarithmic loss in nats."""
    shares = _with_shares(y_true, probabilities)
    return NAN if shares is None else float(np.mean(log_losses(y_true, shares)))


def brier(y_true: Floats, y_pred: Floats, probabilities: Floats | None = None) -> float:
    """Brier score: 0 to 1 for two classes, 0 to 2 for more."""
    shares = _with_shares(y_true, probabilities)
    return NAN if shares is None else float(np.mean(brier_terms(y_true, shares)))


METRICS: Final[dict[str, Metric]] = {
    "rmse": rmse,
    "mae": mae,
    "r2": r2,
    "mape": mape,
    "smape": smape,
    "wape": wape,
    "bias": bias,
    "mase": mase,
    "accuracy": accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "f1_macro": f1_macro,
    "f1_weighted": f1_weighted,
    "precision_macro": precision_macro,
    "recall_macro": recall_macro,
    "roc_auc": roc_auc,
    "pr_auc": pr_auc,
    "log_loss": log_loss,
    "brier": brier,
}


def metric_of(name: str, scored: Scored) -> float:
    """One metric of a scored part. MASE is measured against the naive forecast where there is one."""
    with np.errstate(all="ignore"):
        if name == "mase" and scored.naive is not None:
            return _ratio(mae(scored.truth, scored.predicted), mae(scored.truth, scored.naive))
        if name in INTERVAL_METRICS:
            return interval_metric(name, scored)
        return METRICS[name](scored.truth, scored.predicted, scored.probabilities)

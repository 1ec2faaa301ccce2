"""Metrics taken apart into sums over rows, so that thousands of resamples cost one matrix.

For each metric: `rows` gives per-row pieces, shape (rows, k), and `value` turns their sums, shape (..., k), back into
the metric. Areas under curves are no function of sums; their pieces are influence values, whose mean is the area
(for ROC these are the structural components of DeLong, DeLong & Clarke-Pearson 1988).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlops_assets.evaluation import metrics
from mlops_assets.evaluation.class_counts import (
    Average,
    Formula,
    f1_of,
    macro,
    positive_or_macro,
    precision_of,
    recall_of,
    weighted,
)
from mlops_assets.evaluation.intervals import INTERVAL_METRICS, interval_terms
from mlops_assets.evaluation.scoring import Floats, Scored

Value: TypeAlias = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Pieces:
    """Per-row pieces of one metric and the way back from their sums."""

    rows: Callable[[Scored], Floats]
    value: Value


def _beside_ones(terms: Floats) -> Floats:
    return np.column_stack([terms, np.ones_like(terms)])


def _quotient(sums: Floats) -> Floats:
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.full_like(above, np.nan), where=below != 0)


def _root(sums: Floats) -> Floats:
    root: Floats = np.sqrt(_quotient(sums))
    return root


def _explained(sums: Floats) -> Floats:
    count, truth, squares, errors = (sums[..., place] for place in range(4))
    spread = squares - truth**2 / np.where(count > 0, count, np.nan)
    rest: Floats = np.divide(errors, spread, out=np.full_like(errors, np.nan), where=spread > 0)
    return 1.0 - rest


def _r2_rows(scored: Scored) -> Floats:
    centred = scored.truth - scored.truth.mean()
    return np.column_stack(
        [np.ones_like(centred), centred, centred**2, (scored.truth - scored.predicted) ** 2]
    )


def _mape_rows(scored: Scored) -> Floats:
    zero = scored.truth == 0
    terms = np.abs(scored.predicted - scored.truth) / np.where(zero, np.nan, np.abs(scored.truth))
    return _beside_ones(terms)


def _mase_rows(scored: Scored) -> Floats:
    naive = (
        scored.naive if scored.naive is not None else np.concatenate([scored.truth[:1], scored.truth[:-1]])
    )
    return np.column_stack([np.abs(scored.predicted - scored.truth), np.abs(naive - scored.truth)])


def _counts_rows(scored: Scored) -> Floats:
    kinds = np.arange(max(len(scored.classes), 2))
    true, called = scored.truth[:, None] == kinds, scored.predicted[:, None] == kinds
    counts: Floats = np.concatenate([true & called, ~true & called, true & ~called], axis=1).astype(
        np.float64
    )
    return counts


def _from_counts(formula: Formula, average: Average) -> Value:
    def value(sums: Floats) -> Floats:
        right, extra, missed = np.split(sums, 3, axis=-1)
        return average(formula(right, extra, missed), right, extra, missed)

    return value


def _log_rows(scored: Scored) -> Floats:
    return _beside_ones(metrics.log_losses(scored.truth, _shares(scored)))


def _brier_rows(scored: Scored) -> Floats:
    return _beside_ones(metrics.brier_terms(scored.truth, _shares(scored)))


def _shares(scored: Scored) -> Floats:
    if scored.probabilities is None:
        return np.full((scored.truth.size, max(len(scored.classes), 2)), np.nan)
    return scored.probabilities


def roc_influence(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Per row, what it adds to the area under the ROC curve; the mean is the area."""
    first, second = int(positive.sum()), int((~positive).sum())
    if not first or not second:
        return np.full(scores.size, np.nan)
    overall = metrics.midranks(scores)
    place = np.empty(scores.size)
    place[positive] = (overall[positive] - metrics.midranks(scores[positive])) / second
    place[~positive] = 1.0 - (overall[~positive] - metrics.midranks(scores[~positive])) / first
    area = float(place[positive].mean())
    share = np.where(positive, scores.size / first, scores.size / second)
    return area + share * (place - area)


def precision_influence(positive: NDArray[np.bool_], scores: Floats) -> Floats:
    """Per row, the derivative of average precision by the row's weight, plus the area; the mean is the area."""
    if not positive.any():
        return np.full(scores.size, np.nan)
    order = np.argsort(-scores, kind="stable")
    hit = positive[order].astype(float)
    last = np.append(np.flatnonzero(np.diff(scores[order])), scores.size - 1)
    group = np.searchsorted(last, np.arange(scores.size))
    true_so_far, called_so_far = np.cumsum(hit)[last], last + 1.0
    steps = np.diff(true_so_far, prepend=0.0)
    total = float(hit.sum())
    area = float(np.sum(steps * true_so_far / called_so_far) / total)
    from_here = np.cumsum((steps / called_so_far)[::-1])[::-1][group]
    pressed = np.cumsum((steps * true_so_far / called_so_far**2)[::-1])[::-1][group]
    slope = (hit * ((true_so_far / called_so_far)[group] - area + from_here) - pressed) / total
    influence = np.empty(scores.size)
    influence[order] = area + scores.size * slope
    return influence


def _area_rows(influence: Callable[[NDArray[np.bool_], Floats], Floats]) -> Callable[[Scored], Floats]:
    def rows(scored: Scored) -> Floats:
        shares = _shares(scored)
        if shares.shape[1] == 2:
            return _beside_ones(influence(scored.truth == 1, shares[:, 1]))
        present = [kind for kind in range(shares.shape[1]) if bool((scored.truth == kind).any())]
        if len(present) < 2:
            return _beside_ones(np.full(scored.truth.size, np.nan))
        return _beside_ones(
            np.mean([influence(scored.truth == kind, shares[:, kind]) for kind in present], axis=0)
        )

    return rows


def _interval_rows(name: str) -> Callable[[Scored], Floats]:
    return lambda scored: _beside_ones(interval_terms(name, scored))


def _mean_error(scored: Scored) -> Floats:
    return _beside_ones(scored.predicted - scored.truth)


PIECES: Final[dict[str, Pieces]] = {
    "rmse": Pieces(lambda s: _beside_ones((s.predicted - s.truth) ** 2), _root),
    "mae": Pieces(lambda s: _beside_ones(np.abs(s.predicted - s.truth)), _quotient),
    "r2": Pieces(_r2_rows, _explained),
    "mape": Pieces(_mape_rows, _quotient),
    "smape": Pieces(lambda s: _beside_ones(metrics.symmetric_errors(s.truth, s.predicted)), _quotient),
    "wape": Pieces(lambda s: np.column_stack([np.abs(s.predicted - s.truth), np.abs(s.truth)]), _quotient),
    "bias": Pieces(_mean_error, _quotient),
    "mase": Pieces(_mase_rows, _quotient),
    **{name: Pieces(_interval_rows(name), _quotient) for name in INTERVAL_METRICS},
    "accuracy": Pieces(lambda s: _beside_ones((s.predicted == s.truth).astype(float)), _quotient),
    "precision": Pieces(_counts_rows, _from_counts(precision_of, positive_or_macro)),
    "recall": Pieces(_counts_rows, _from_counts(recall_of, positive_or_macro)),
    "f1": Pieces(_counts_rows, _from_counts(f1_of, positive_or_macro)),
    "f1_macro": Pieces(_counts_rows, _from_counts(f1_of, macro)),
    "f1_weighted": Pieces(_counts_rows, _from_counts(f1_of, weighted)),
    "precision_macro": Pieces(_counts_rows, _from_counts(precision_of, macro)),
    "recall_macro": Pieces(_counts_rows, _from_counts(recall_of, macro)),
    "roc_auc": Pieces(_area_rows(roc_influence), _quotient),
    "pr_auc": Pieces(_area_rows(precision_influence), _quotient),
    "log_loss": Pieces(_log_rows, _quotient),
    "brier": Pieces(_brier_rows, _quotient),
}

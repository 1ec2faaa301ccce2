"""The focal loss (Lin et al. 2017): cross entropy in which rows that are already answered well weigh little.

With p the share given to the true class, a row costs -(1 - p)^focus log p; a focus of 0 is cross entropy. Boosting
needs its first and second derivative by the scores, worked out here once for sigmoid and softmax alike: two classes are
a softmax over the scores 0 and s.

The shares of a model trained so are less sure of themselves than cross entropy would make them: a focal loss is not a
proper scoring rule. It is for finding a rare class, not for stating its probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import TrainingError
from mlops_assets.training.algorithms.base.losses import Floats, OwnLoss

FOCUS: Final = 2.0
"""The exponent that the paper found best."""
SMALLEST: Final = 1e-15


def focal_loss(focus: float) -> OwnLoss:
    """The loss for a boosting library; targets are positions of classes."""
    return OwnLoss(
        "focal",
        lambda scores, truth: _steps(scores, truth, focus),
        lambda scores, truth: float(losses(scores, truth, focus).mean()),
    )


def focus_of(algorithm: str, params: Mapping[str, Any]) -> float:
    """The exponent of the focal loss. Raises TrainingError for one below 0."""
    asked = params.get("focus")
    focus = FOCUS if asked is None else float(asked)
    if not (np.isfinite(focus) and focus >= 0.0):
        raise TrainingError(f"{algorithm}: 'focus' must be 0 or above, not {asked!r}")
    return focus


def shares(scores: Floats) -> Floats:
    """Probabilities (rows, classes) of scores (rows,) for two classes, or (rows, classes)."""
    return np.exp(_log_shares(scores))


def losses(scores: Floats, truth: Floats, focus: float) -> Floats:
    """What each row costs, shape (rows,)."""
    log_own = _log_shares(scores)[np.arange(len(truth)), _places(truth)]
    return np.asarray(-((-np.expm1(log_own)) ** focus) * log_own)


def derivatives(scores: Floats, truth: Floats, focus: float) -> tuple[Floats, Floats, Floats]:
    """First derivative, second derivative and a curvature, of the scores' shape; of several classes the diagonal.

    The curvature is the second derivative without the parts that are negative: not below it, never below 0, and equal
    near the answer, so that a Newton step with it does not overshoot where the loss is not convex.
    """
    log_all = _log_shares(scores)
    share, place = np.exp(log_all), _places(truth)
    rows = np.arange(len(place))
    own, log_own = share[rows, place][:, None], log_all[rows, place][:, None]
    rest = np.maximum(-np.expm1(log_own), SMALLEST)
    is_own = np.zeros_like(share)
    is_own[rows, place] = 1.0
    # d loss / d score_k = slope(p) (1[k is true] - p_k), where slope(p) = p d loss / d p.
    slope = focus * own * rest ** (focus - 1.0) * log_own - rest**focus
    up = 2.0 * focus * own * rest ** (focus - 1.0)
    down = focus * own * rest ** (focus - 1.0) * log_own
    turn = focus * (1.0 - focus) * own**2 * rest ** (focus - 2.0) * log_own
    apart, spread = is_own - share, -slope * share * (1.0 - share)
    gradient = slope * apart
    second = (up + down + turn) * apart**2 + spread
    curvature = (up + np.maximum(turn, 0.0)) * apart**2 + spread
    if scores.ndim == 1:
        return gradient[:, 1], second[:, 1], curvature[:, 1]
    return gradient, second, curvature


def _steps(scores: Floats, truth: Floats, focus: float) -> tuple[Floats, Floats]:
    gradient, _, curvature = derivatives(scores, truth, focus)
    # The diagonal alone steps too far when several scores move at once (Friedman 2001, algorithm 6).
    together = scores.shape[1] / (scores.shape[1] - 1.0) if scores.ndim == 2 else 1.0
    return gradient, np.maximum(together * curvature, SMALLEST)


def _log_shares(scores: Floats) -> Floats:
    if scores.ndim == 1:
        scores = np.column_stack([np.zeros_like(scores), scores])
    level = scores - scores.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(level - np.log(np.exp(level).sum(axis=1, keepdims=True)))


def _places(truth: Floats) -> NDArray[np.int64]:
    return truth.astype(np.int64)

"""The focal loss (Lin et al. 2017).

Cross entropy in which rows that are already predicted well weigh little.

With p the probability of the true class, a row costs -(1 - p)^focus log p; a focus of 0 is cross entropy. Boosting
needs its first and second derivative by the scores, worked out here once for sigmoid and softmax alike: two classes
are a softmax over the scores 0 and s.

The shares of a model trained so are less sure of themselves than cross entropy would make them: a focal loss is not
a proper scoring rule. It is for finding a rare class, not for stating its probability.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlops_assets.errors import TrainingError
from mlops_assets.training.algorithms.base.losses import CustomObjective, Floats

DEFAULT_GAMMA: Final = 2.0
"""The exponent that the paper found best."""
SMALLEST: Final = 1e-15


def focal_loss(gamma: float) -> CustomObjective:
    """Return the focal loss (Lin et al. 2017) as a custom objective; targets are class codes.

    Args:
        gamma: Exponent of the focal loss, 0 or above; 0 is the log loss.

    Returns:
        Objective with gradient, Hessian and loss.
    """
    return CustomObjective(
        "focal",
        lambda scores, truth: _gradient_hessian(scores, truth, gamma),
        lambda scores, truth: float(losses(scores, truth, gamma).mean()),
    )


def focal_gamma(algorithm: str, params: Mapping[str, Any]) -> float:
    """Return the exponent of the focal loss.

    Args:
        algorithm: Name of the algorithm.
        params: Parameters of the algorithm, from the model file.

    Returns:
        The value of `focus`, or the default.

    Raises:
        TrainingError: When it is below 0 or not finite.
    """
    value = params.get("focus")
    gamma = DEFAULT_GAMMA if value is None else float(value)
    if not (np.isfinite(gamma) and gamma >= 0.0):
        raise TrainingError(f"{algorithm}: 'focus' must be 0 or above, not {value!r}")
    return gamma


def softmax(scores: Floats) -> Floats:
    """Return probabilities from scores.

    Args:
        scores: Raw scores, float64, shape (rows,) for two classes or (rows, classes).

    Returns:
        Shape (rows, classes); rows sum to 1.
    """
    return np.exp(_log_shares(scores))


def losses(scores: Floats, truth: Floats, gamma: float) -> Floats:
    """Return the focal loss of each row.

    Args:
        scores: Raw scores, float64, shape (rows,) for two classes or (rows, classes).
        truth: Class codes as floats, shape (rows,).
        gamma: Exponent of the focal loss, 0 or above; 0 is the log loss.

    Returns:
        Shape (rows,).
    """
    log_own = _log_shares(scores)[np.arange(len(truth)), _codes(truth)]
    return np.asarray(-((-np.expm1(log_own)) ** gamma) * log_own)


def derivatives(scores: Floats, truth: Floats, gamma: float) -> tuple[Floats, Floats, Floats]:
    """Return gradient, second derivative and curvature of the focal loss; of several classes the diagonal.

    The curvature is the second derivative without its negative parts: not below it, never below 0, and equal
    near the truth, so that a Newton step with it does not overshoot where the loss is not convex.

    Args:
        scores: Raw scores, float64, shape (rows,) for two classes or (rows, classes).
        truth: Class codes as floats, shape (rows,).
        gamma: Exponent of the focal loss, 0 or above; 0 is the log loss.

    Returns:
        Three arrays of the shape of `scores`.
    """
    log_all = _log_shares(scores)
    share, code = np.exp(log_all), _codes(truth)
    rows = np.arange(len(code))
    own, log_own = share[rows, code][:, None], log_all[rows, code][:, None]
    rest = np.maximum(-np.expm1(log_own), SMALLEST)
    is_own = np.zeros_like(share)
    is_own[rows, code] = 1.0
    # d loss / d score_k = slope(p) (1[k is true] - p_k), where slope(p) = p d loss / d p.
    slope = gamma * own * rest ** (gamma - 1.0) * log_own - rest**gamma
    up = 2.0 * gamma * own * rest ** (gamma - 1.0)
    down = gamma * own * rest ** (gamma - 1.0) * log_own
    turn = gamma * (1.0 - gamma) * own**2 * rest ** (gamma - 2.0) * log_own
    residual, own_curvature = is_own - share, -slope * share * (1.0 - share)
    gradient = slope * residual
    second = (up + down + turn) * residual**2 + own_curvature
    curvature = (up + np.maximum(turn, 0.0)) * residual**2 + own_curvature
    if scores.ndim == 1:
        return gradient[:, 1], second[:, 1], curvature[:, 1]
    return gradient, second, curvature


def _gradient_hessian(scores: Floats, truth: Floats, gamma: float) -> tuple[Floats, Floats]:
    gradient, _, curvature = derivatives(scores, truth, gamma)
    # The diagonal alone steps too far when several scores move at once (Friedman 2001, algorithm 6).
    together = scores.shape[1] / (scores.shape[1] - 1.0) if scores.ndim == 2 else 1.0
    return gradient, np.maximum(together * curvature, SMALLEST)


def _log_shares(scores: Floats) -> Floats:
    if scores.ndim == 1:
        scores = np.column_stack([np.zeros_like(scores), scores])
    level = scores - scores.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(level - np.log(np.exp(level).sum(axis=1, keepdims=True)))


def _codes(truth: Floats) -> NDArray[np.int64]:
    return truth.astype(np.int64)

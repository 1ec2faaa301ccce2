"""Metrics of class probabilities that are a mean over rows.

scikit-learn has both, but neither accepts a label that the model does not know; a test holds them equal otherwise.
"""

from __future__ import annotations

import sys
from typing import Final

from mlops_assets.lazy_numpy import Floats, np
from mlops_assets.metrics.influence import mean_of
from mlops_assets.metrics.metric import CLASSES, Metric
from mlops_assets.metrics.scored import Scored

EPSILON: Final = sys.float_info.epsilon
"""Probabilities are clipped this far from 0 and 1 before the logarithm, as in scikit-learn."""


def log_loss(scored: Scored) -> float:
    """Compute the mean logarithmic loss in nats.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 or above.
    """
    return float(np.mean(log_losses(scored)))


def brier(scored: Scored) -> float:
    """Compute the Brier score: 0 to 1 for two classes, 0 to 2 for more.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        0 to 2.
    """
    return float(np.mean(squared_distances(scored)))


def log_losses(scored: Scored) -> Floats:
    """Return minus the logarithm of the true class's probability per row; an unknown class has probability 0.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Shape (n,), in nats, clipped to stay finite.
    """
    known = scored.truth >= 0
    codes = np.where(known, scored.truth, 0).astype(np.int64)
    of_truth = np.where(known, _probabilities(scored)[np.arange(scored.truth.size), codes], 0.0)
    losses: Floats = -np.log(np.clip(of_truth, EPSILON, 1.0 - EPSILON))
    return losses


def squared_distances(scored: Scored) -> Floats:
    """Return the squared distance between probabilities and truth per row; of the positive class alone for two.

    Args:
        scored: Truth and predictions of n rows, with probabilities, bounds or naive forecast where they
            exist.

    Returns:
        Shape (n,).
    """
    probabilities = _probabilities(scored)
    if probabilities.shape[1] == 2:
        terms: Floats = (probabilities[:, 1] - (scored.truth == 1)) ** 2
        return terms
    truth = scored.truth[:, None] == np.arange(probabilities.shape[1])
    distances: Floats = np.sum((probabilities - truth) ** 2, axis=1)
    return distances


def _probabilities(scored: Scored) -> Floats:
    if scored.probabilities is None:
        return np.full((scored.truth.size, max(len(scored.classes), 2)), np.nan)
    return scored.probabilities


PROBABILITY_METRICS: Final = (
    Metric(
        "log_loss",
        "lower",
        CLASSES,
        log_loss,
        bound=0.0,
        needs="probabilities",
        influence=mean_of(log_losses),
    ),
    Metric(
        "brier",
        "lower",
        CLASSES,
        brier,
        bound=0.0,
        needs="probabilities",
        influence=mean_of(squared_distances),
    ),
)

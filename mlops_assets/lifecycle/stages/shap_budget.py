"""How long a challenger and its champion may be explained: together no longer than the training took."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from mlops_assets import evaluation
from mlops_assets.artifacts import Predictor, Split
from mlops_assets.model_file import ModelSpec

LEAST_SECONDS: Final = 1.0
"""A model that was trained in less is explained all the same."""
MOST_SECONDS: Final = 60.0
"""Nobody waits for more, however long the training took."""


def seconds_for_shap(training_seconds: float) -> float:
    """Return the time for SHAP over all models, so that it at most doubles the cost of a training.

    Args:
        training_seconds: Time of the training, in seconds.

    Returns:
        Seconds, between `LEAST_SECONDS` and `MOST_SECONDS`.
    """
    return max(LEAST_SECONDS, min(training_seconds, MOST_SECONDS))


def explain_both(
    spec: ModelSpec,
    challenger: Predictor,
    champion: Predictor | None,
    split: Split,
    training_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[evaluation.ShapValues, evaluation.ShapValues | None]:
    """Compute SHAP values of challenger and champion for the same rows of the holdout.

    Each gets half of the time; a challenger without a champion gets all of it.

    Args:
        spec: The model file.
        challenger: The new model.
        champion: The model in production; None without one.
        split: Train rows (background) and test rows (explained).
        training_seconds: Time of the training, in seconds.
        clock: Returns monotonic seconds.

    Returns:
        Values of the challenger and of the champion (None without one).
    """
    each = seconds_for_shap(training_seconds) / (2 if champion else 1)

    def explained(predictor: Predictor) -> evaluation.ShapValues:
        end = clock() + each
        return evaluation.explain(spec, predictor, split.train, split.test, lambda: end - clock())

    return explained(challenger), explained(champion) if champion else None

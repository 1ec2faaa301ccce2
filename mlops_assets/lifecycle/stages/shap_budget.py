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
    """For all models that are explained, so that SHAP never more than doubles what a training costs."""
    return max(LEAST_SECONDS, min(training_seconds, MOST_SECONDS))


def explain_both(
    spec: ModelSpec,
    challenger: Predictor,
    champion: Predictor | None,
    split: Split,
    training_seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> tuple[evaluation.ShapValues, evaluation.ShapValues | None]:
    """SHAP values of challenger and champion for the same rows of the holdout.

    Each gets half of the time, and a challenger without a champion all of it.
    """
    each = seconds_for_shap(training_seconds) / (2 if champion else 1)

    def explained(predictor: Predictor) -> evaluation.ShapValues:
        end = clock() + each
        return evaluation.explain(spec, predictor, split.train, split.test, lambda: end - clock())

    return explained(challenger), explained(champion) if champion else None

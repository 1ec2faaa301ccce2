"""Standardized columns in front of an estimator, and its weights translated back to the columns' own units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def standardized(estimator: Any) -> Any:
    """Return a pipeline that standardizes by mean and standard deviation of the training rows first.

    Args:
        estimator: A scikit-learn estimator.

    Returns:
        A scikit-learn pipeline, not fitted.
    """
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scale", StandardScaler()), ("model", estimator)])


def in_original_units(pipeline: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights and intercepts of a standardized linear model for unscaled columns.

    Args:
        pipeline: A fitted pipeline of `standardized`.

    Returns:
        Weights, shape (outputs, features), and intercepts, shape (outputs,).
    """
    scale, model = pipeline.named_steps["scale"], pipeline.named_steps["model"]
    weights = np.atleast_2d(model.coef_) / scale.scale_
    return weights, np.atleast_1d(model.intercept_) - weights @ scale.mean_

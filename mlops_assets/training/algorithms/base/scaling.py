"""Standardized columns in front of an estimator, and its weights translated back to the columns' own units."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def standardized(estimator: Any) -> Any:
    """Return a pipeline that subtracts the mean and divides by the standard deviation of the training rows first."""
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler

    return Pipeline([("scale", StandardScaler()), ("model", estimator)])


def in_original_units(pipeline: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return weights (outputs, features) and intercepts (outputs,) of a standardized model, for unscaled columns."""
    scale, model = pipeline.named_steps["scale"], pipeline.named_steps["model"]
    weights = np.atleast_2d(model.coef_) / scale.scale_
    return weights, np.atleast_1d(model.intercept_) - weights @ scale.mean_

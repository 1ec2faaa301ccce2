"""A preparation from `features` around an algorithm from `training`: the one `Predictor` everything else asks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from mlops_assets import features, training
from mlops_assets.artifacts import Bounds, FeatureMatrix, Interval, from_json
from mlops_assets.errors import BundleError
from mlops_assets.model_file import ModelSpec


@dataclass(frozen=True, slots=True)
class BundlePredictor:
    """The `Predictor` over a preparation and a fitted algorithm, with its prediction interval if it has one."""

    preparation: features.Preparation
    estimator: Any
    interval: Interval | None = None

    @property
    def algorithm(self) -> str:
        """Name of the algorithm inside."""
        return str(self.estimator.name)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class labels in the order of `probabilities`; empty unless this is a classifier."""
        return tuple(str(label) for label in self.estimator.classes)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Columns the feature table must have."""
        return tuple(self.preparation.inputs)

    def matrix(self, frame: pl.DataFrame) -> FeatureMatrix:
        """Return the features as the estimator receives them.

        Args:
            frame: The feature table.

        Returns:
            The prepared matrix, one row per row of `frame`.
        """
        return self.preparation.apply(frame)

    def predict(self, frame: pl.DataFrame) -> NDArray[Any]:
        """Return the predictions.

        Args:
            frame: The feature table.

        Returns:
            Shape (n,): floats in the target's unit, or class labels.
        """
        return np.asarray(self.estimator.predict(self.matrix(frame)))

    def probabilities(self, frame: pl.DataFrame) -> NDArray[np.float64] | None:
        """Return the class probabilities.

        Args:
            frame: The feature table.

        Returns:
            Shape (n, classes), rows sum to 1; None for a regression.
        """
        return np.asarray(self.estimator.predict_proba(self.matrix(frame))) if self.classes else None

    def bounds(self, frame: pl.DataFrame, predictions: NDArray[Any]) -> Bounds | None:
        """Return the interval around predictions to these rows.

        Args:
            frame: The feature table.
            predictions: Predictions for the rows, shape (n,), in the target's unit.

        Returns:
            Lower and upper bounds, or None for a model without an interval.
        """
        if self.interval is None:
            return None
        column = self.interval.entity
        named = column is not None and column in frame.columns
        return training.bounds(self.interval, predictions, frame.get_column(str(column)) if named else None)


def calibrated(spec: ModelSpec, predictor: BundlePredictor, validation: pl.DataFrame) -> BundlePredictor:
    """Return the predictor with the interval that the model file requests.

    It has none when the model file requests none, for classes, and when the validation part is too small.

    Args:
        spec: The model file.
        predictor: The fitted predictor.
        validation: The validation part, whose residuals set the width (split conformal prediction).

    Returns:
        The predictor, with or without an interval.
    """
    return replace(predictor, interval=interval_of(spec, predictor, validation))


def interval_of(spec: ModelSpec, predictor: BundlePredictor, rows: pl.DataFrame) -> Interval | None:
    """Return the interval that the model file asks for, from the errors on rows that the predictor was not fitted on.

    Args:
        spec: The model file.
        predictor: Whose errors count.
        rows: Feature rows with the target.

    Returns:
        None where the model file asks for none, for classes, and where the rows do not suffice.
    """
    level = spec.training.interval
    if level is None or predictor.classes or rows.is_empty():
        return None
    return training.calibrate(
        level,
        rows[spec.target].cast(pl.Float64).to_numpy(),
        predictor.predict(rows),
        scale=predictor.estimator.target_transform,
        entity=rows[spec.entity] if spec.entity else None,
    )


def predictor_of(bundle: training.LoadedBundle) -> BundlePredictor:
    """Create the predictor from a bundle's preparation, estimator and interval.

    Args:
        bundle: A loaded bundle, verified.

    Returns:
        The predictor.

    Raises:
        BundleError: When the preparation or interval was written by other code.
    """
    try:
        preparation = from_json(features.Preparation, bundle.preparation)
        interval = from_json(Interval, bundle.interval) if bundle.interval is not None else None
    except ValidationError as error:
        raise BundleError(
            f"the stored preparation or interval was written by other code ({error.error_count()} differences)"
        ) from None
    return BundlePredictor(preparation, bundle.algorithm, interval)


def open_bundle(folder: Path) -> BundlePredictor:
    """Return the predictor in a stand-alone bundle, as MLflow stores it.

    The bundle is verified against its own manifest only.

    Args:
        folder: Folder of the bundle.

    Returns:
        The predictor.

    Raises:
        BundleError: When a file is missing or altered.
    """
    return predictor_of(training.load_bundle(folder, expected_manifest_sha256=None))

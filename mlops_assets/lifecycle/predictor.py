"""A preparation from `features` around an algorithm from `training`: the one `Predictor` everything else asks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import ValidationError

from mlops_assets import features, training
from mlops_assets.artifacts import FeatureMatrix, from_json
from mlops_assets.errors import BundleError


@dataclass(frozen=True, slots=True)
class BundlePredictor:
    """The `Predictor` over a preparation and a fitted algorithm."""

    preparation: features.Preparation
    estimator: Any

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
        """Features as the estimator sees them."""
        return self.preparation.apply(frame)

    def predict(self, frame: pl.DataFrame) -> NDArray[Any]:
        """Predictions, one per row."""
        return np.asarray(self.estimator.predict(self.matrix(frame)))

    def probabilities(self, frame: pl.DataFrame) -> NDArray[np.float64] | None:
        """Class probabilities, or None for numbers."""
        return np.asarray(self.estimator.predict_proba(self.matrix(frame))) if self.classes else None


def predictor_of(bundle: training.LoadedBundle) -> BundlePredictor:
    """Join what a bundle holds. Raises BundleError when its preparation is not one this code can read."""
    try:
        preparation = from_json(features.Preparation, bundle.preparation)
    except ValidationError as error:
        raise BundleError(
            f"the stored preparation was written by other code ({error.error_count()} differences)"
        ) from None
    return BundlePredictor(preparation, bundle.algorithm)


def open_bundle(folder: Path) -> BundlePredictor:
    """The predictor in a bundle that stands alone, as MLflow holds it: checked against its own manifest only."""
    return predictor_of(training.load_bundle(folder, expected_manifest_sha256=None))

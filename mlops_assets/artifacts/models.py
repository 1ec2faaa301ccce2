"""Records of training: predictors, candidates, the trained model."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import JsonValue

from mlops_assets.artifacts.data import FeatureMatrix, TableVersion
from mlops_assets.artifacts.terms import Metrics, Part
from mlops_assets.metrics import Bounds
from mlops_assets.model_file.training import TargetTransform


@dataclass(frozen=True, slots=True)
class Interval:
    """Stored. How far the truth lies from a prediction, learned from validation rows.

    The truth lies between prediction - below and prediction + above with probability `level`, on the scale that was
    learned.

    Attributes:
        rows: Validation rows that it was learned from.
        scale: Scale of the target during training.
        entity: The column whose values have widths of their own.
        entities: (below, above) of those values that had enough rows.
    """

    level: float
    below: float
    above: float
    rows: int
    scale: TargetTransform = "none"
    entity: str | None = None
    entities: dict[str, tuple[float, float]] = field(default_factory=dict)


class Predictor(Protocol):
    """A loaded model, from features to predictions, whatever algorithm is inside.

    predict gives shape (rows,): numbers for regression and forecasting, class labels for classification.
    probabilities gives (rows, classes) for classification, None otherwise. bounds gives the interval around what
    predict gave for the same rows, None for a model without one.
    """

    @property
    def algorithm(self) -> str:
        """Return the name of the algorithm."""

    @property
    def classes(self) -> tuple[str, ...]:
        """Return the names of the classes, in the order of their codes; empty for a regression."""

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Return the names of the prepared columns, in order."""

    @property
    def estimator(self) -> Any:
        """Return the fitted algorithm."""

    def matrix(self, features: pl.DataFrame) -> FeatureMatrix:
        """Return the features as the estimator receives them.

        Args:
            features: The feature table, n rows.

        Returns:
            Prepared features, shape (n, columns).
        """

    def predict(self, features: pl.DataFrame) -> NDArray[Any]:
        """Return the predictions.

        Args:
            features: The feature table, n rows.

        Returns:
            Shape (n,): floats in the target's unit, or
            class labels.
        """

    def probabilities(self, features: pl.DataFrame) -> NDArray[np.float64] | None:
        """Return the class probabilities.

        Args:
            features: The feature
                table, n rows.

        Returns:
            Shape (n, classes), in
            the order of `classes`;
            None for a regression.
        """

    def bounds(self, features: pl.DataFrame, predictions: NDArray[Any]) -> Bounds | None:
        """Return the interval around predictions.

        Args:
            features: The
                feature
                table, n
                rows.
            predictions:
                Predictions
                for these
                rows, shape
                (n,).

        Returns:
            Lower and upper
            bounds, or None
            for a model
            without an
            interval.
        """


@dataclass(frozen=True, slots=True)
class Candidate:
    """Stored. One algorithm's training: measured on train and validation, never on test."""

    algorithm: str
    params: dict[str, JsonValue]
    status: Literal["trained", "failed", "timed_out"]
    seconds: float
    metrics: dict[Part, Metrics]
    message: str = ""
    mlflow_run_id: str | None = None
    cross_validation: Metrics | None = None
    """Mean of each metric over the folds of `split.cross_validation`; None without, and where a fold was not fitted."""


@dataclass(frozen=True, slots=True)
class RefitCheck:
    """Stored. The winning recipe fitted again on all rows, compared with the fit that the holdout judged.

    Attributes:
        rows: Rows that it was fitted on.
        until: Instant of the newest of them; None without a timestamp.
        params: Its parameters, rounds and epochs fixed.
        distance: Root mean square difference of both fits' predictions of the holdout, by the judged fit's error.
        limit: The largest distance that is allowed.
        problem: Why it must not be served; empty when it is.
    """

    rows: int
    until: datetime | None
    params: dict[str, JsonValue]
    distance: float | None
    limit: float
    problem: str = ""

    @property
    def sentence(self) -> str:
        """One sentence that says which numbers belong to which fit."""
        if self.problem:
            return self.problem
        until = f" until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return (
            "all numbers belong to the judged fit, which has learned from no holdout row; production serves the same "
            f"recipe fitted again on all {self.rows:,} rows{until}, whose predictions of the holdout differ from the "
            f"judged ones by {self.distance or 0.0:.2g} times the judged fit's error (at most {self.limit:g})"
        )


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """Stored. The challenger: the best candidate, whole on disk, registered under a version of its own."""

    model: str
    version: int
    algorithm: str
    bundle: str
    manifest_sha256: str
    data: tuple[TableVersion, ...]
    rows: int
    split_digest: str
    seconds: float
    candidates: tuple[Candidate, ...]
    spec_digest: str
    code_commit: str
    seed: int
    as_of: datetime
    mlflow_run_id: str | None = None
    refit: RefitCheck | None = None
    """None where the judged fit is served, and in records of earlier releases."""

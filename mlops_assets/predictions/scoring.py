"""One row per prediction: what it is about, for which instant, and the prediction.

Comes in: feature rows. Goes out: a frame with the columns model, version, entity, at, predicted_at, value, low, high,
label, and `p_<class>` for classes.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from mlops_assets.artifacts import Predictor
from mlops_assets.errors import DataError
from mlops_assets.model_file import ModelSpec

UTC_TIME: Final = pl.Datetime("us", "UTC")
OCCURRENCE: Final = "_occurrence"
"""Column that numbers rows of one entity and instant, from 0."""


def with_occurrence(spec: ModelSpec, features: pl.DataFrame) -> pl.DataFrame:
    """Return the feature rows with the column `OCCURRENCE`; the row that arrives second has number 1.

    Args:
        spec: The model file.
        features: All feature rows of the window, those predicted before included.

    Returns:
        The rows, in the same order.
    """
    if spec.timestamp is None:
        return features.with_columns(pl.lit(0, dtype=pl.Int32).alias(OCCURRENCE))
    keys = [spec.timestamp, *([spec.entity] if spec.entity is not None else [])]
    return features.with_columns(pl.int_range(pl.len(), dtype=pl.Int32).over(keys).alias(OCCURRENCE))


def pending(
    spec: ModelSpec, features: pl.DataFrame, since: datetime | None, predicted: pl.DataFrame
) -> pl.DataFrame:
    """Return the rows that this version has not predicted yet, per entity and instant.

    An entity whose readings arrive late is predicted late, whatever instants other entities have reached. For
    forecasting a row is about the instant `horizon` later, so rows whose future is not known yet are included. Two rows
    of one entity and instant are both returned.

    Args:
        spec: The model file.
        features: Feature rows.
        since: Rows about instants before this one are not predicted any more; None means all rows. See `window_start`.
        predicted: The columns entity, at and occurrence of the predictions of this version since then.

    Returns:
        The subset of rows, in their order.
    """
    if spec.timestamp is None or since is None:
        return features
    numbered = features if OCCURRENCE in features.columns else with_occurrence(spec, features)
    keys = pl.DataFrame(
        {
            "entity": _entities(spec, features),
            "at": _instants(spec, features, since),
            "occurrence": numbered[OCCURRENCE],
        }
    )
    keys = keys.with_row_index("row").filter(pl.col("at") >= pl.lit(since).cast(UTC_TIME))
    known = predicted.select(
        pl.col("entity").cast(pl.String), pl.col("at").cast(UTC_TIME), pl.col("occurrence").cast(pl.Int32)
    )
    return features[
        keys.join(known, on=["entity", "at", "occurrence"], how="anti", maintain_order="left")["row"]
    ]


def window_start(spec: ModelSpec, last_at: datetime | None) -> datetime | None:
    """Return the first instant that may still be predicted: `monitoring.window` before the newest predicted one.

    None before the first prediction.

    Args:
        spec: The model file.
        last_at: The newest predicted instant, with a zone; None before the first prediction.

    Returns:
        The instant.
    """
    return None if last_at is None else last_at - spec.monitoring.window


def score(
    spec: ModelSpec, predictor: Predictor, features: pl.DataFrame, version: int, at: datetime
) -> pl.DataFrame:
    """Return the champion's prediction for every row.

    entity is text, '' without entities; `at` is the row's instant (plus the horizon for forecasting), or the
    time of the prediction where the model has none, and then entity is the row's number. value is the
    predicted number, or the probability of the predicted class, whose name is label. low and high bound the
    number with the probability of the model's interval; null for classes and where there is none.

    Args:
        spec: The model file.
        predictor: The champion.
        features: Rows to predict.
        version: Number of the champion's version.
        at: Time of scoring, with a zone.

    Returns:
        One row per row of `features`, in the same order.

    Raises:
        DataError: When a prediction is missing or not finite: nothing of such a batch is used.
    """
    responses = np.asarray(predictor.predict(features)) if features.height else np.empty(0)
    shares = predictor.probabilities(features) if features.height else None
    bounds = predictor.bounds(features, responses) if features.height else None
    classes = predictor.classes
    if len(responses) != features.height:
        raise DataError(f"{spec.name}: {len(responses)} predictions for {features.height} rows")
    if classes:
        chances = np.zeros((0, len(classes))) if shares is None else shares
        values = chances.max(axis=1) if len(chances) else np.empty(0)
        labels: list[str] | None = [str(label) for label in responses.tolist()]
    else:
        chances, values, labels = np.zeros((features.height, 0)), responses.astype(np.float64), None
    bad = ~np.isfinite(values) | ~np.isfinite(chances).all(axis=1) if len(values) == len(chances) else None
    if bad is None or len(values) != features.height or bad.any():
        count = features.height if bad is None else int(bad.sum())
        raise DataError(
            f"{spec.name}: version {version} gave no finite prediction for {count:,} of {features.height:,} rows; "
            "none is stored"
        )
    return pl.DataFrame(
        {
            "model": pl.Series([spec.name], dtype=pl.String).new_from_index(0, features.height),
            "version": pl.Series([version], dtype=pl.Int64).new_from_index(0, features.height),
            "entity": _entities(spec, features),
            "at": _instants(spec, features, at),
            "predicted_at": pl.Series([at]).cast(UTC_TIME).new_from_index(0, features.height),
            "value": pl.Series(values, dtype=pl.Float64),
            "low": _bound(bounds.low if bounds else None, features.height),
            "high": _bound(bounds.high if bounds else None, features.height),
            "label": pl.Series(labels if labels is not None else [None] * features.height, dtype=pl.String),
            **{f"p_{label}": pl.Series(chances[:, index]) for index, label in enumerate(classes)},
        }
    )


def _ahead(spec: ModelSpec) -> timedelta:
    return spec.features.horizon or timedelta(0)


def _bound(numbers: NDArray[np.float64] | None, rows: int) -> pl.Series:
    if numbers is None:
        return pl.Series([None], dtype=pl.Float64).new_from_index(0, rows)
    return pl.Series(numbers, dtype=pl.Float64).fill_nan(None)


def _entities(spec: ModelSpec, features: pl.DataFrame) -> pl.Series:
    if spec.entity is not None:
        return features[spec.entity].cast(pl.String)
    if spec.timestamp is not None:
        return pl.Series([""], dtype=pl.String).new_from_index(0, features.height)
    return pl.int_range(features.height, eager=True).cast(pl.String)


def _instants(spec: ModelSpec, features: pl.DataFrame, at: datetime) -> pl.Series:
    if spec.timestamp is None:
        return pl.Series([at]).cast(UTC_TIME).new_from_index(0, features.height)
    return (features[spec.timestamp] + _ahead(spec)).cast(UTC_TIME)

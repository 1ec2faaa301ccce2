"""Labels for predictions: the target's readings, keyed as predictions are, and labels that callers of the API posted.

Comes in: validated readings, predictions of batches and of the API. Goes out: predictions with the label of each.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from mlops_assets.artifacts import class_labels
from mlops_assets.model_file import ModelSpec

UTC_TIME: Final = pl.Datetime("us", "UTC")
KEYS: Final = ("entity", "at", "occurrence")
SLICE: Final = "slice:"
"""Prefix of the columns with the names of slices."""
ROWS: Final[dict[str, pl.DataType]] = {
    "entity": pl.String(),
    "at": UTC_TIME,
    "occurrence": pl.Int32(),
    "value": pl.Float64(),
    "label": pl.String(),
    "low": pl.Float64(),
    "high": pl.Float64(),
}
"""Columns of predictions that performance is measured on."""


def labels_of(spec: ModelSpec, readings: pl.DataFrame) -> pl.DataFrame:
    """Return the labels of a model with a timestamp.

    Args:
        spec: The model file.
        readings: Validated readings with timestamp, target and, if there is one, entity.

    Returns:
        Columns entity (text, '' without entities), at, occurrence (numbers rows of one entity and instant from 0),
        actual (numbers; text for classes), and naive: for forecasts the target `features.horizon` before, else the
        target's reading before this one. Both are null where the reading is missing.
    """
    assert spec.timestamp is not None
    entity = pl.col(spec.entity).cast(pl.String) if spec.entity else pl.lit("")
    rows = readings.select(
        entity.alias("entity"),
        pl.col(spec.timestamp).cast(UTC_TIME).alias("at"),
        _truth(spec, readings[spec.target]).alias("actual"),
    ).with_columns(occurrence=pl.int_range(pl.len(), dtype=pl.Int32).over("entity", "at"))
    horizon = spec.features.horizon
    if horizon is None:
        before = pl.col("actual").shift(1).over("entity", order_by="at")
        return rows.with_columns(naive=before)
    known = rows.filter(pl.col("occurrence") == 0).select(
        "entity", (pl.col("at") + horizon).alias("at"), pl.col("actual").alias("naive")
    )
    return rows.join(known, on=["entity", "at"], how="left")


def labeled(
    spec: ModelSpec, predictions: pl.DataFrame, labels: pl.DataFrame, served: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Return predictions with their labels, those of the API included.

    A label that was posted for a prediction of the API comes before the reading of its entity and instant. A prediction
    of the API without a posted label says nothing new where a batch predicted the same.

    Args:
        spec: The model file.
        predictions: Those of batches: entity, at, occurrence, value, label, low, high.
        labels: Result of `labels_of`, with further columns named `slice:...`.
        served: Those of the API: the same without occurrence, and truth (text, null without a posted label).

    Returns:
        The columns of predictions, actual, naive and the slices; actual is null while there is no label.
    """
    batch = predictions.select(_typed(predictions)).join(labels, on=KEYS, how="left")
    if served is None or served.is_empty():
        return batch
    first = pl.lit(0, dtype=pl.Int32).alias("occurrence")
    keyed = served.with_columns(first)
    known = keyed.filter(pl.col("truth").is_null()).join(predictions, on=KEYS, how="semi")
    posted = keyed.join(known.select("id", "row"), on=["id", "row"], how="anti")
    truth = _truth(spec, _as_predicted(posted["truth"], posted["label"])).alias("truth")
    rows = posted.select(*_typed(posted), truth).join(labels, on=KEYS, how="left")
    rows = rows.with_columns(actual=pl.coalesce("truth", "actual")).select(batch.columns)
    return pl.concat([batch, rows])


def _as_predicted(truth: pl.Series, labels: pl.Series) -> pl.Series:
    """Return posted classes as predictions write them: JSON has no whole numbers, 1.0 is the class 1."""
    whole = truth.str.replace(r"^(-?\d+)\.0+$", "$1")
    return whole.zip_with(~truth.is_in(labels.drop_nulls().unique().implode()), truth)


def _typed(frame: pl.DataFrame) -> list[pl.Expr]:
    return [pl.col(name).cast(kind) for name, kind in ROWS.items() if name in frame.columns]


def _truth(spec: ModelSpec, values: pl.Series) -> pl.Series:
    """Return values of the target: numbers, or classes as predictions name them; unreadable ones are missing."""
    if spec.problem == "classification":
        return class_labels(values)
    return values.cast(pl.Float64, strict=False).fill_nan(None)

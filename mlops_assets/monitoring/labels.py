"""Labels for predictions: the target's readings, keyed as predictions are.

Comes in: validated readings. Goes out: one row per reading of the target, with the naive forecast for it.
"""

from __future__ import annotations

import polars as pl

from mlops_assets.model_file import ModelSpec

UTC_TIME = pl.Datetime("us", "UTC")


def labels_of(spec: ModelSpec, readings: pl.DataFrame) -> pl.DataFrame:
    """Return the labels of a model with a timestamp.

    Args:
        spec: The model file.
        readings: Validated readings with timestamp, target and, if there is one, entity.

    Returns:
        Columns entity (text, '' without entities), at, occurrence (numbers rows of one entity and instant from 0),
        actual, and naive: for forecasts the target `features.horizon` before, else the target's reading before this
        one. Both are null where the reading is missing.
    """
    assert spec.timestamp is not None
    entity = pl.col(spec.entity).cast(pl.String) if spec.entity else pl.lit("")
    rows = readings.select(
        entity.alias("entity"),
        pl.col(spec.timestamp).cast(UTC_TIME).alias("at"),
        pl.col(spec.target).alias("actual"),
    ).with_columns(occurrence=pl.int_range(pl.len(), dtype=pl.Int32).over("entity", "at"))
    horizon = spec.features.horizon
    if horizon is None:
        before = pl.col("actual").shift(1).over("entity", order_by="at")
        return rows.with_columns(naive=before)
    known = rows.filter(pl.col("occurrence") == 0).select(
        "entity", (pl.col("at") + horizon).alias("at"), pl.col("actual").alias("naive")
    )
    return rows.join(known, on=["entity", "at"], how="left")

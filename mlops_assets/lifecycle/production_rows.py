"""What one version predicted in production, batches and API together, with the labels that have arrived.

Comes in: the ledger, and the validated readings. Goes out: a frame. What it says is measured in `monitoring`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import polars as pl

from mlops_assets import monitoring
from mlops_assets.artifacts import TableVersion
from mlops_assets.evaluation.slices import labeled as slice_names
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec

MOST_SERVED: Final = 200_000
"""Predictions of the API that are read, the newest: a busy API makes more in an hour than a report can read."""


def production_rows(
    spec: ModelSpec,
    platform: Platform,
    version: int,
    since: datetime,
    until: datetime,
    table: TableVersion | None,
) -> pl.DataFrame:
    """Return the predictions about since <= at < until, each with its label.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        version: The version whose predictions are returned; rows that the API answered by a fallback are left out.
        since: First instant, with a zone.
        until: End, exclusive.
        table: The validated readings; not used without a timestamp, where only posted labels count.

    Returns:
        Result of `monitoring.labeled`, with a column `slice:NAME` for each column of `evaluation.slices`, and
        `reading:NAME` for each that a figure of `monitoring.kpis` names.
    """
    ahead = spec.features.horizon or timedelta(0)
    served = platform.ledger.labeled_predictions(
        spec.name, since=since - ahead, until=until, limit=MOST_SERVED
    ).filter(
        pl.col("version") == version,
        pl.col("rung").is_null() | (pl.col("rung") == "champion"),
        (pl.col("at") >= since) & (pl.col("at") < until),
    )
    predictions = platform.ledger.predictions(
        spec.name, since=since, until=max(since, until), version=version
    )
    if spec.timestamp is None or table is None:  # a reading without an instant is nobody's label
        return monitoring.labeled(spec, predictions.clear(), _no_labels(spec), served)
    readings = platform.datasets.read(table)
    labels = monitoring.labels_of(spec, readings)
    columns = [
        slice_names(readings[name]).alias(f"{monitoring.SLICE}{name}")
        for name in spec.evaluation.slices
        if name in readings.columns and name not in (spec.timestamp, spec.entity)
    ]
    columns += [
        readings[name].alias(f"{monitoring.READING}{name}")
        for name in monitoring.kpi_columns(spec)
        if name in readings.columns
    ]
    return monitoring.labeled(spec, predictions, labels.with_columns(columns), served)


def _no_labels(spec: ModelSpec) -> pl.DataFrame:
    number = pl.String() if spec.problem == "classification" else pl.Float64()
    keys = {"entity": pl.String(), "at": pl.Datetime("us", "UTC"), "occurrence": pl.Int32()}
    return pl.DataFrame(schema={**keys, "actual": number, "naive": number})

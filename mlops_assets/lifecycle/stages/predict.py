"""The champion's predictions for rows it has not predicted yet, appended to the predictions table and the ledger."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

import polars as pl

from mlops_assets import predictions, stages
from mlops_assets.artifacts import TableVersion
from mlops_assets.errors import DataError
from mlops_assets.lifecycle.champion_features import with_features_of
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.records import FeaturesRecord, PredictionsRecord
from mlops_assets.model_file import ModelSpec

END: Final = datetime(9999, 1, 1, tzinfo=UTC)


def predict_batch(spec: ModelSpec, platform: Platform, run: Run) -> PredictionsRecord:
    """Score pending rows with the champion and store the predictions.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The table version and the number of new rows.

    Raises:
        DataError: When there is no champion or no feature table.
    """
    champion_state = platform.ledger.champion_state(spec.name)
    if champion_state.champion is None:
        raise DataError(f"{spec.name}: no champion yet, nothing can predict")
    version = champion_state.champion.version
    built = record_of(platform, spec, stages.FEATURES, run.id, FeaturesRecord)
    predictor, stored = load_version(platform, spec.name, version)
    frame = platform.datasets.read(built.table)
    frame = with_features_of(predictor, stored, frame, spec=spec, platform=platform, run=run)
    frame = predictions.with_occurrence(spec, frame)
    since = predictions.window_start(spec, platform.ledger.last_prediction(spec.name))
    predicted = platform.ledger.predictions(spec.name, since=since or END, until=END, version=version)
    pending = predictions.pending(spec, frame, since, predicted)
    table, new_rows = store_scored(spec, platform, run, predictor, version, pending)
    run.progress(f"version {version} predicted {pending.height:,} rows, {new_rows:,} of them new")
    record = PredictionsRecord(table, version, new_rows, built.as_of)
    keep_record(platform, spec, stages.PREDICTIONS, run, record)
    return record


def store_scored(
    spec: ModelSpec,
    platform: Platform,
    run: Run,
    predictor: BundlePredictor,
    version: int,
    pending: pl.DataFrame,
) -> tuple[TableVersion, int]:
    """Score rows; store the predictions as a table version, then in the ledger, by which a row counts as predicted.

    A process that dies between the two scores the rows again: the ledger has each of them once.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.
        predictor: The version.
        version: Its number, from 1.
        pending: Feature rows with their `predictions.OCCURRENCE`.

    Returns:
        The table version, and how many rows are new to the ledger.

    Raises:
        DataError: When a prediction is missing or not finite; nothing is stored then.
    """
    scored = predictions.score(spec, predictor, pending, version, run.now())
    table = platform.datasets.write(
        spec.name,
        stages.PREDICTIONS,
        scored,
        run.provenance,
    )
    occurrence = pending[predictions.OCCURRENCE].alias("occurrence")
    new_rows = platform.ledger.store_predictions(
        spec.name,
        version,
        scored.select("entity", "at", "value", "label", "low", "high", occurrence),
        predicted_at=run.now(),
    )
    return table, new_rows

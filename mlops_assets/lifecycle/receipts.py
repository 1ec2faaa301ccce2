"""The receipt of one prediction: everything that explains it, also years later.

Comes in: the id of a prediction of the API. Goes out: version, values as sent, features, interval, SHAP values, data
versions, gate results, who approved and promoted, and the label if it arrived. Nothing is taken from memory: the bundle
is loaded as it was, and the stored readings are read at the version that was looked back at.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any, Final

import polars as pl

from mlops_assets import evaluation, features, stages
from mlops_assets.errors import MlopsError
from mlops_assets.ledger import ServedPrediction
from mlops_assets.lifecycle.model_loading import load_version, spec_of_bundle
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import LoadedBundle

EXPLANATION_SECONDS: Final = 10.0
"""Time that SHAP values of one row may take, where they are estimated."""


@dataclass(frozen=True, slots=True)
class RowExplanation:
    """What moved one prediction: features as the model saw them, and their SHAP values from the base on.

    prediction: the model's prediction now, from the stored values; it equals the logged one unless something changed.
    """

    base: float
    contributions: tuple[tuple[str, float, float], ...]
    method: str
    prediction: float | str


def receipt(platform: Platform, model: str, prediction_id: str, row: int = 1) -> dict[str, Any]:
    """Return the receipt of a prediction of the API, as a JSON document.

    Args:
        platform: The stores.
        model: The model.
        prediction_id: What the response called it.
        row: Which row of the request, from 1.

    Returns:
        Version, values, features, SHAP values, gate results, approval and label.

    Raises:
        MlopsError: There is no such prediction.
        ServiceError: The ledger does not respond.
    """
    rows = platform.ledger.served_prediction(model, prediction_id)
    chosen = next((one for one in rows if one.row == row), None)
    if chosen is None:
        known = f"it has {len(rows)} rows" if rows else f"no prediction of {model} has this id"
        raise MlopsError(f"no row {row} of the prediction {prediction_id}: {known}")
    document: dict[str, Any] = {"prediction": chosen._asdict(), **_version(platform, chosen)}
    window = platform.ledger.labeled_predictions(
        model, since=chosen.predicted_at, until=chosen.predicted_at + timedelta(microseconds=1)
    ).filter((pl.col("id") == chosen.id) & (pl.col("row") == chosen.row))
    document["label"] = window.select("truth", "received_at").row(0, named=True) if window.height else None
    if chosen.rung == "naive":
        document["explanation"] = {"missing": "the naive prediction of serving.fallback has no SHAP values"}
        return document
    try:
        document["explanation"] = asdict(explain_prediction(platform, chosen))
    except MlopsError as error:
        document["explanation"] = {"missing": str(error)}
    return document


def _version(platform: Platform, chosen: ServedPrediction) -> dict[str, Any]:
    """Return what the ledger says about the version, its promotion, its evidence and the verdict of a person."""
    ledger = platform.ledger
    version = ledger.model_version(chosen.model, chosen.version)
    moves = (one for one in ledger.history(chosen.model, None) if one.action in ("promoted", "rolled_back"))
    move = next((one for one in moves if one.revision == chosen.revision), None)
    evidence = ledger.evidence(move.evidence_hash) if move and move.evidence_hash else None
    approval = ledger.approval(evidence.hash) if evidence else None
    gates = evidence.body.get("gates", ()) if evidence else ()
    return {
        "version": asdict(version),
        "promotion": asdict(move) if move else None,
        "evidence": {
            "hash": evidence.hash,
            "gates": [{key: gate.get(key) for key in ("gate", "verdict", "reason")} for gate in gates],
        }
        if evidence
        else None,
        "approval": asdict(approval) if approval else None,
    }


def explain_prediction(platform: Platform, chosen: ServedPrediction) -> RowExplanation:
    """Predict and explain a logged row again, from the bundle and the readings of that time.

    Args:
        platform: The stores.
        chosen: The logged row.

    Returns:
        The prediction computed again, and its contributions.

    Raises:
        MlopsError: The bundle or the readings are no longer there.
    """
    predictor, bundle = load_version(platform, chosen.model, chosen.version)
    spec = spec_of_bundle(bundle)
    frame = feature_row(platform, spec, chosen)
    return explain_row(spec, predictor, bundle, frame)


def explain_row(
    spec: ModelSpec, predictor: BundlePredictor, bundle: LoadedBundle, frame: pl.DataFrame
) -> RowExplanation:
    """Explain one feature row.

    Args:
        spec: The model file as trained.
        predictor: The model.
        bundle: Its bundle, whose sample is the background.
        frame: The row.

    Returns:
        The prediction and its contributions.
    """
    end = time.monotonic() + EXPLANATION_SECONDS
    values = evaluation.explain_rows(spec, predictor, frame, bundle.sample, lambda: end - time.monotonic())
    contributions = [
        (name, float(value), float(shap))
        for name, value, shap in zip(values.names, values.inputs[0], values.values[0], strict=True)
    ]
    contributions.sort(key=lambda one: -abs(one[2]))
    [prediction] = predictor.predict(frame).tolist()
    return RowExplanation(float(values.base[0]), tuple(contributions), values.method, prediction)


def feature_row(platform: Platform, spec: ModelSpec, chosen: ServedPrediction) -> pl.DataFrame:
    """Return the feature row of a logged prediction.

    Args:
        platform: The stores.
        spec: The model file as trained.
        chosen: The logged row.

    Returns:
        One row of the feature table.

    Raises:
        DataError: The stored readings of that time are no longer there.
    """
    readings = dict(chosen.readings)
    if spec.timestamp is not None:
        readings[spec.timestamp] = chosen.at - (spec.features.horizon or timedelta(0))
    columns = {
        name: pl.Series(name, [value], dtype=None if value is not None else pl.Float64)
        for name, value in readings.items()
    }
    history = pl.DataFrame()
    if chosen.history_version is not None:
        datasets = platform.datasets
        history = datasets.read(datasets.version(spec.name, stages.VALIDATED_DATA, chosen.history_version))
    return features.online(spec, history, pl.DataFrame(columns))

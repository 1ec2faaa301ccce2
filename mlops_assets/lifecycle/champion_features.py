"""Features for a model that was trained with another feature definition than the model file has now.

A champion is compared and predicts on exactly the rows of today, with the features it knows: built again from the same
validated data by the model file it was trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from mlops_assets import features, stages
from mlops_assets.errors import EvidenceError
from mlops_assets.lifecycle.model_loading import spec_of_bundle
from mlops_assets.lifecycle.platform import Platform, Run, record_of
from mlops_assets.lifecycle.predictor import BundlePredictor
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.model_file import ModelSpec
from mlops_assets.training import LoadedBundle


def with_features_of(
    predictor: BundlePredictor,
    bundle: LoadedBundle,
    frame: pl.DataFrame,
    *,
    spec: ModelSpec,
    platform: Platform,
    run: Run,
) -> pl.DataFrame:
    """Add the feature columns that only the champion's own definition creates; rows stay as they are.

    Args:
        predictor: The champion.
        bundle: Its bundle, which holds the model file it was trained with.
        frame: Feature table of the present model file.
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The feature table with the added columns.

    Raises:
        EvidenceError: When the two model files differ in target, timestamp, entity or horizon, or the rows
            differ.
    """
    if _about(bundle.spec) != _about(spec.model_dump(mode="json")):
        raise EvidenceError(
            f"{spec.name}: the champion was trained on another target, timestamp, entity or horizon and cannot be "
            f"compared with a challenger of this model file; 'mlops retire {spec.name}' lets the absolute gates decide"
        )
    lacking = [name for name in predictor.feature_names if name not in frame.columns]
    if not lacking:
        return frame
    validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
    made = features.build(spec_of_bundle(bundle), platform.datasets.read(validated.table))
    keys = [name for name in (spec.timestamp, spec.entity, spec.target) if name is not None]
    if not made.select(keys).equals(frame.select(keys)):
        raise EvidenceError(
            f"{spec.name}: the champion's features are not about the same rows; materialize features again"
        )
    return frame.hstack(made.select(lacking))


def _about(body: Mapping[str, Any]) -> tuple[object, ...]:
    """Return what a prediction is about, from a model file's JSON form."""
    named = (body.get(key) for key in ("problem", "target", "timestamp", "entity"))
    return (*named, body.get("features", {}).get("horizon"))

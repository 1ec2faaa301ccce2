"""The feature store of one model: its newest feature table is registered, written online and read.

Comes in: the model file, the platform. Goes out: what was registered, rows from the online store. Building features
belongs to the stage `features`; `features.store` writes to Feast.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets import features, stages
from mlops_assets.errors import DataError
from mlops_assets.features.store import FeatureStore, online_store
from mlops_assets.lifecycle.platform import Platform, known_record
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings


def apply(spec: ModelSpec, platform: Platform) -> tuple[dict[str, Any], ...]:
    """Register the features of the newest feature table.

    Args:
        spec: The model file.
        platform: The open stores and settings.

    Returns:
        What `registered` returns afterwards.

    Raises:
        DataError: When no feature table was built yet.
    """
    record = _newest(spec, platform)
    table = platform.datasets.read(record.table)
    store = open_store(spec, platform.settings)
    store.apply(table, record.data, features.profile(table, record.names))
    return store.listed()


def materialize(spec: ModelSpec, platform: Platform) -> int:
    """Write each entity's newest features to the online store.

    Args:
        spec: The model file.
        platform: The open stores and settings.

    Returns:
        Number of entities.

    Raises:
        DataError: When no feature table was built yet.
    """
    table = platform.datasets.read(_newest(spec, platform).table)
    return open_store(spec, platform.settings).materialize(table)


def get(spec: ModelSpec, settings: Settings, entities: Sequence[str]) -> pl.DataFrame:
    """Return online features. Needs neither database nor feature table.

    Args:
        spec: The model file.
        settings: Settings of the installation.
        entities: Entities to look up.

    Returns:
        One row per entity, in the requested order; nulls for an unknown entity.
    """
    return open_store(spec, settings).get(entities)


def registered(spec: ModelSpec, settings: Settings) -> tuple[dict[str, Any], ...]:
    """Return the registered features.

    Args:
        spec: The model file.
        settings: Settings of the installation.

    Returns:
        One record per feature with description, sources, statistics, and the table versions it came from.

    Raises:
        DataError: When nothing was applied.
    """
    records = open_store(spec, settings).listed()
    if not records:
        raise DataError(f"{spec.name}: nothing was applied yet; run 'mlops features apply {spec.name}' first")
    return records


def open_store(spec: ModelSpec, settings: Settings) -> FeatureStore:
    """Open the model's store: definitions below `home`, online values where the setting says.

    Args:
        spec: The model file.
        settings: Settings of the installation.

    Returns:
        The store.
    """
    online = online_store(settings.online_store) if settings.online_store else None
    return FeatureStore(spec, folder(settings, spec.name), online)


def folder(settings: Settings, model: str) -> Path:
    """Return the folder of a model's definitions, offline source and (by default) online values.

    Args:
        settings: Settings of the installation.
        model: Name of the model.

    Returns:
        A folder below `home`; it need not exist.
    """
    return settings.home / "feature_store" / model


def _newest(spec: ModelSpec, platform: Platform) -> FeaturesRecord:
    record = known_record(platform, spec, stages.FEATURES, FeaturesRecord)
    if record is None:
        raise DataError(f"{spec.name} has no features yet; run 'mlops run {spec.name}' first")
    return record

"""The feature store of one model: its newest feature table is registered, written online and read.

Comes in: the model file, the platform. Goes out: what was registered, rows from the online store. Building features
belongs to the stage `features`; what Feast is told is `features.store`'s business.
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
    """Register the newest feature table's features; return what `registered` then returns.

    Raises DataError when none was built yet.
    """
    record = _newest(spec, platform)
    table = platform.datasets.read(record.table)
    store = open_store(spec, platform.settings)
    store.apply(table, record.data, features.profile(table, record.names))
    return store.listed()


def materialize(spec: ModelSpec, platform: Platform) -> int:
    """Put each entity's newest features online; return the number of entities."""
    table = platform.datasets.read(_newest(spec, platform).table)
    return open_store(spec, platform.settings).materialize(table)


def get(spec: ModelSpec, settings: Settings, entities: Sequence[str]) -> pl.DataFrame:
    """Online features, one row per entity in the requested order. Needs neither database nor feature table."""
    return open_store(spec, settings).get(entities)


def registered(spec: ModelSpec, settings: Settings) -> tuple[dict[str, Any], ...]:
    """Return what was applied.

    One record per feature with description, sources, statistics, and the table versions it came from. Raises
    DataError when nothing was.
    """
    records = open_store(spec, settings).listed()
    if not records:
        raise DataError(f"{spec.name}: nothing was applied yet; run 'mlops features apply {spec.name}' first")
    return records


def open_store(spec: ModelSpec, settings: Settings) -> FeatureStore:
    """Return the model's store: definitions below `home`, online values where the setting says."""
    online = online_store(settings.online_store) if settings.online_store else None
    return FeatureStore(spec, folder(settings, spec.name), online)


def folder(settings: Settings, model: str) -> Path:
    """Where a model's definitions, offline source and, unless set otherwise, online values lie."""
    return settings.home / "feature_store" / model


def _newest(spec: ModelSpec, platform: Platform) -> FeaturesRecord:
    record = known_record(platform, spec, stages.FEATURES, FeaturesRecord)
    if record is None:
        raise DataError(f"{spec.name} has no features yet; run 'mlops run {spec.name}' first")
    return record

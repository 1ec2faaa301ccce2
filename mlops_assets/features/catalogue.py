"""What features a model has: each with its family, what it is made from, what it means, and its statistics.

Comes in: the model file, column names, the profile of the training data. Goes out: records for lists and for the
feature store's definitions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mlops_assets.artifacts import Profile
from mlops_assets.features.columns import feature_names
from mlops_assets.features.kinds import FEATURE_KINDS, Family, Feature
from mlops_assets.model_file import ModelSpec

FAMILIES: Final[tuple[Family, ...]] = ("inputs", "calendar", "lags", "windows", "pairs")


def catalogue(spec: ModelSpec, columns: Sequence[str], profile: Profile | None = None) -> tuple[Feature, ...]:
    """Return every feature among a feature table's columns, in their order.

    Args:
        spec: The model file.
        columns: The columns of the feature table.
        profile: The profile of the training data, whose statistics are added where it has the feature.

    Returns:
        Features with description, sources and statistics.
    """
    computed = {feature.name: feature for kind in FEATURE_KINDS.values() for feature in kind.describe(spec)}
    features = []
    for name in feature_names(spec, columns):
        feature = computed.get(name) or Feature(name, "inputs", (name,), f"{name} as read")
        statistics = profile.columns.get(name) if profile else None
        if statistics is not None:
            feature = replace(feature, missing=statistics.missing, mean=statistics.mean, std=statistics.std)
        features.append(feature)
    return tuple(features)

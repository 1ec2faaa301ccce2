"""What features a model has: each with its family, what it is made from, what it means, and its statistics.

Comes in: the model file, column names, the profile of the training data. Goes out: records for lists and for the
feature store's definitions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final, Literal

from mlops_assets.artifacts import Profile
from mlops_assets.features.columns import feature_names
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import calendar_columns, now_column, rolling_column
from mlops_assets.model_file.values import format_duration

Family = Literal["inputs", "calendar", "lags", "windows", "pairs"]
FAMILIES: Final[tuple[Family, ...]] = ("inputs", "calendar", "lags", "windows", "pairs")


@dataclass(frozen=True, slots=True)
class Feature:
    """Stored. sources are columns of the readings; missing, mean and std those of the training data, None without."""

    name: str
    family: Family
    sources: tuple[str, ...]
    description: str
    missing: float | None = None
    mean: float | None = None
    std: float | None = None


def catalogue(spec: ModelSpec, columns: Sequence[str], profile: Profile | None = None) -> tuple[Feature, ...]:
    """Every feature among a feature table's columns, in their order."""
    known = {feature.name: feature for feature in _computed(spec)}
    found = []
    for name in feature_names(spec, columns):
        feature = known.get(name) or Feature(name, "inputs", (name,), f"{name} as read")
        numbers = profile.columns.get(name) if profile else None
        if numbers is not None:
            feature = Feature(
                name,
                feature.family,
                feature.sources,
                feature.description,
                numbers.missing,
                numbers.mean,
                numbers.std,
            )
        found.append(feature)
    return tuple(found)


def _computed(spec: ModelSpec) -> Iterator[Feature]:
    features, timestamp = spec.features, spec.timestamp
    for name in calendar_columns(features, timestamp):
        assert timestamp is not None
        part = name.removeprefix(f"{timestamp}_").replace("_", " ")
        yield Feature(name, "calendar", (timestamp,), f"{part} of {timestamp} in {features.timezone}")
    if features.horizon is not None:
        yield Feature(now_column(spec.target), "lags", (spec.target,), f"{spec.target} at the reading itself")
    if features.lags is not None:
        for column, step in product(features.lags.columns, features.lags.steps):
            yield Feature(f"{column}_lag_{step}", "lags", (column,), f"{column}, {step} readings earlier")
    if features.differences is not None:
        for column, step in product(features.differences.columns, features.differences.steps):
            yield Feature(
                f"{column}_diff_{step}", "lags", (column,), f"change of {column} over {step} readings"
            )
    if features.rolling is not None:
        rolling = features.rolling
        for column, window, statistic in product(rolling.columns, rolling.windows, rolling.statistics):
            name = rolling_column(column, statistic, window)
            yield Feature(
                name, "windows", (column,), f"{statistic} of {column} over {format_duration(window)}"
            )
    for above, below in features.ratios:
        yield Feature(f"{above}_per_{below}", "pairs", (above, below), f"{above} divided by {below}")
    for one, other in features.interactions:
        yield Feature(f"{one}_times_{other}", "pairs", (one, other), f"{one} times {other}")

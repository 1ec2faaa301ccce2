"""Data drift: each feature of a window of new rows against the champion's training profile.

Comes in: profile and feature rows. Goes out: a `DriftReport`, largest movement first. Too little data is unmeasurable,
which is never 'stable'. Columns computed from the timestamp alone are left out: a week in May always differs from a
month that ended in April.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final

import polars as pl

from mlops_assets.artifacts import DriftReport, FeatureDrift, Profile, TableVersion
from mlops_assets.artifacts.drift import Level
from mlops_assets.binning import season_of
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import now_column
from mlops_assets.monitoring.feature_drift import feature_drift
from mlops_assets.monitoring.significance import holm_corrected

PREDICTION: Final = "prediction"
SEVERITY: Final[dict[Level, int]] = {"stable": 0, "moderate": 1, "unmeasurable": 2, "significant": 3}
"""A report is as bad as the worst of its features. What cannot be measured is worse than a moderate movement."""


def drift(
    spec: ModelSpec,
    profile: Profile,
    version: int | None,
    frame: pl.DataFrame,
    as_of: datetime,
    *,
    computed: Collection[str],
    from_clock: Collection[str],
    table: TableVersion | None = None,
) -> DriftReport:
    """Measure every feature of the profile by the drift method of the model file, and what else can be wrong with it.

    Args:
        spec: The model file; `monitoring.drift` holds the method and its limits.
        profile: The champion's training data.
        version: The champion's version.
        frame: Feature rows of the newest window.
        as_of: The instant of the report.
        computed: Names of the features that are computed from readings.
        from_clock: Names of those that follow from the timestamp alone, which move by themselves.
        table: The table version that the rows were built from.

    Returns:
        The report. Its level is that of the worst feature that decides. The mean value and the share of significant
        features are over all features.
    """
    columns = {name: column for name, column in profile.columns.items() if name not in from_clock}
    deciding = _deciding(spec, columns, computed)
    season = _season(spec, as_of)
    measured = [
        replace(feature_drift(spec, name, profile, frame, len(deciding), season), decides=name in deciding)
        for name in columns
    ]
    features = tuple(sorted(_with_corrected_p(measured), key=_largest_first))
    values = [feature.value for feature in features if feature.value is not None]
    return DriftReport(
        model=spec.name,
        version=version,
        rows=frame.height,
        level=_worst_level(features),
        mean_value=math.fsum(values) / len(values) if values else None,
        drifted_share=sum(feature.level == "significant" for feature in features) / len(features)
        if values
        else None,
        features=features,
        as_of=as_of,
        table=table,
    )


def inputs_alone(spec: ModelSpec, profile: Profile, computed: Collection[str]) -> Profile:
    """Return the profile of the readings themselves, which callers of the API send.

    Args:
        spec: The model file.
        profile: The champion's training data.
        computed: Names of the features that are computed from readings.

    Returns:
        The profile without computed features.
    """
    repeating = _repeating(spec, computed)
    return replace(profile, columns={n: one for n, one in profile.columns.items() if n not in repeating})


def prediction_drift(
    spec: ModelSpec, profile: Profile, predicted: pl.DataFrame, as_of: datetime
) -> FeatureDrift | None:
    """Measure how far the predictions moved from those for the training rows; it decides nothing.

    Args:
        spec: The model file.
        profile: The champion's training data.
        predicted: Its predictions in the window, column `prediction`.
        as_of: The instant of the report.

    Returns:
        The movement; None without a reference in the bundle.
    """
    if profile.prediction is None:
        return None
    alone = replace(profile, columns={PREDICTION: profile.prediction})
    return replace(feature_drift(spec, PREDICTION, alone, predicted, 1, _season(spec, as_of)), decides=False)


def _season(spec: ModelSpec, as_of: datetime) -> int | None:
    return season_of(as_of - spec.monitoring.window / 2) if spec.timestamp else None


def _worst_level(features: Collection[FeatureDrift]) -> Level:
    levels: list[Level] = [feature.level for feature in features if feature.decides]
    return max(levels, key=lambda level: SEVERITY[level], default="unmeasurable")


def _largest_first(feature: FeatureDrift) -> tuple[int, float, str]:
    return -SEVERITY[feature.level], -(feature.value or 0.0), feature.feature


def _deciding(spec: ModelSpec, names: Collection[str], computed: Collection[str]) -> frozenset[str]:
    """Select readings themselves, without those expected to move; computed features only without them.

    A computed feature repeats the movement of its column. And a day's mean has one independent value a day: over a week
    its PSI is about 1 from chance alone, (bins - 1) / values.
    """
    expected = {*spec.monitoring.expected}
    if spec.target in expected:
        expected.add(now_column(spec.target))
    readings = frozenset(names) - _repeating(spec, computed)
    return (readings or frozenset(names)) - expected


def _repeating(spec: ModelSpec, computed: Collection[str]) -> frozenset[str]:
    return frozenset(computed) - {now_column(spec.target)}


def _with_corrected_p(features: list[FeatureDrift]) -> list[FeatureDrift]:
    """Return the same features with `p_corrected` for all that were measured together."""
    p_values = {feature.feature: feature.details["p"] for feature in features if "p" in feature.details}
    by_feature = holm_corrected(p_values)
    return [
        replace(feature, details={**feature.details, "p_corrected": by_feature[feature.feature]})
        if feature.feature in by_feature
        else feature
        for feature in features
    ]

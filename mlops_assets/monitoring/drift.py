"""Data drift: each feature of a window of new rows against the champion's training profile.

Comes in: profile and feature rows. Goes out: a `DriftReport`, largest movement first. Too little data is unmeasurable,
which is never 'stable'. Columns that follow from the timestamp alone are left out: a week in May always differs from a
month that ended in April.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace
from datetime import datetime
from typing import Final, Literal

import polars as pl

from mlops_assets.artifacts import ColumnProfile, DriftReport, FeatureDrift, Profile
from mlops_assets.divergence import expected_shares, kl, psi, shares
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.features import calendar_columns, computed_columns, now_column
from mlops_assets.monitoring.significance import chi_squared, corrected, kolmogorov_smirnov

Level = Literal["stable", "moderate", "significant", "unmeasurable"]

FEWEST_ROWS: Final = 100
"""Below this, ten bins hold so few rows that PSI says more about chance than about the world."""


def drift(
    spec: ModelSpec, profile: Profile, version: int | None, frame: pl.DataFrame, as_of: datetime
) -> DriftReport:
    """PSI per feature of the profile, by `monitoring.psi`: stable, moderate or significant.

    The report is as bad as the worst feature that decides (statistic `decides`), and unmeasurable when none of those
    could be measured. Mean PSI and the share of significant features are over all. p-values (KS for numbers,
    chi-squared for text) decide nothing.
    """
    apart = {*calendar_columns(spec.features, spec.timestamp)}
    looked_at = {name: column for name, column in profile.columns.items() if name not in apart}
    deciding = _deciding(spec, looked_at)
    found = _corrected([_feature(spec, name, one, frame, profile.rows) for name, one in looked_at.items()])
    features = tuple(
        replace(one, statistics={**one.statistics, "decides": float(one.feature in deciding)})
        for one in sorted(found, key=lambda one: (one.psi is None, -(one.psi or 0.0), one.feature))
    )
    measured = [one.psi for one in features if one.psi is not None]
    decided = [one.psi for one in features if one.psi is not None and one.feature in deciding]
    return DriftReport(
        model=spec.name,
        version=version,
        rows=frame.height,
        level=level(spec, max(decided)) if decided else "unmeasurable",
        mean_psi=math.fsum(measured) / len(measured) if measured else None,
        drifted_share=sum(one.level == "significant" for one in features) / len(features)
        if measured
        else None,
        features=features,
        as_of=as_of,
    )


def _deciding(spec: ModelSpec, names: Collection[str]) -> frozenset[str]:
    """Readings themselves, without those expected to move; computed features only where the model has nothing else.

    A computed feature repeats the movement of its column. And a day's mean has one independent value a day: over a week
    its PSI is about 1 from chance alone, (bins - 1) / values.
    """
    computed = {*computed_columns(spec.features, spec.target, spec.timestamp)} - {now_column(spec.target)}
    usual = {*spec.monitoring.expected}
    if spec.target in usual:
        usual.add(now_column(spec.target))
    read = frozenset(name for name in names if name not in computed)
    return (read or frozenset(names)) - usual


def level(spec: ModelSpec, value: float) -> Level:
    """What a PSI means by the model file's limits."""
    if not math.isfinite(value):
        return "unmeasurable"
    limits = spec.monitoring.psi
    if value < limits.warn:
        return "stable"
    return "moderate" if value <= limits.act else "significant"


def prediction_drift(
    spec: ModelSpec, reference: ColumnProfile, rows: int, predictions: pl.Series
) -> FeatureDrift:
    """New predictions against those of training (a profile over `rows` rows): numbers, or labels for classes."""
    return _corrected(
        [_feature(spec, "prediction", reference, pl.DataFrame({"prediction": predictions}), rows)]
    )[0]


def _feature(
    spec: ModelSpec, name: str, reference: ColumnProfile, frame: pl.DataFrame, rows: int
) -> FeatureDrift:
    if name not in frame.columns:
        return FeatureDrift(
            name, None, "unmeasurable", {"missing": 1.0, "missing_reference": reference.missing}
        )
    column = frame[name].fill_nan(None) if frame.schema[name].is_float() else frame[name]
    present = column.drop_nulls()
    statistics = {
        "rows": float(len(present)),
        "missing": column.null_count() / len(column) if len(column) else 1.0,
        "missing_reference": reference.missing,
    }
    if len(present) < FEWEST_ROWS or not reference.shares:
        return FeatureDrift(name, None, "unmeasurable", statistics)
    try:
        expected, actual = expected_shares(reference), shares(reference, present)
    except ValueError:
        return FeatureDrift(name, None, "unmeasurable", statistics)
    moved = psi(expected, actual)
    sizes = (max(1, round(rows * (1.0 - reference.missing))), len(present))
    test, label = (kolmogorov_smirnov, "ks") if reference.kind == "number" else (chi_squared, "chi_squared")
    statistics["kl"] = kl(expected, actual)
    statistics[label], statistics["p"] = test(expected, sizes[0], actual, sizes[1])
    mean = present.mean() if present.dtype.is_numeric() else None
    if reference.mean is not None and isinstance(mean, (int, float)):
        statistics |= {"mean": float(mean), "mean_reference": reference.mean}
    return FeatureDrift(name, moved, level(spec, moved), statistics)


def _corrected(features: list[FeatureDrift]) -> list[FeatureDrift]:
    """The same with `p_corrected` for all that were looked at together."""
    found = corrected({one.feature: one.statistics["p"] for one in features if "p" in one.statistics})
    return [
        replace(one, statistics={**one.statistics, "p_corrected": found[one.feature]})
        if one.feature in found
        else one
        for one in features
    ]

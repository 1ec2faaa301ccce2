"""One feature of new rows against its training profile: movement, missing values, values beyond the training range.

Comes in: the column's profile and the new rows. Goes out: a `FeatureDrift`, as bad as the worst of its statistics. A
dead sensor (no column, no value, too few values) is unmeasurable or significant, never stable.
"""

from __future__ import annotations

import calendar
from dataclasses import replace
from typing import Final

import polars as pl

from mlops_assets.artifacts import ColumnProfile, DriftStatistic, FeatureDrift, Profile
from mlops_assets.artifacts.drift import Level
from mlops_assets.binning import actual_bins, expected_bins
from mlops_assets.drift_methods import DRIFT_METHODS, Bins
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.operations import MonitoringSpec
from mlops_assets.monitoring.limits import Limits, limits_of
from mlops_assets.monitoring.significance import chi_squared, kolmogorov_smirnov_test

MIN_ROWS: Final = 100
"""Below this, ten bins hold so few rows that a distance says more about chance than about the world."""
MISSING_RISE: Final = (0.05, 0.20)
"""warn and act: share of missing values now minus in training."""
OUT_OF_RANGE: Final = (0.001, 0.01)
"""warn and act: share of values beyond the training range."""
RANGE_MARGIN: Final = 0.1
"""The training range is widened by this share of its width on both sides: a new record is not an impossible value."""
IMPOSSIBLE_MARGIN: Final = 1.0
"""The same with an alarm budget: slow sources set new records often, and their movement has limits of its own."""


def feature_drift(
    spec: ModelSpec, name: str, profile: Profile, frame: pl.DataFrame, features: int, season: int | None
) -> FeatureDrift:
    """Measure one feature.

    Args:
        spec: The model file with the drift method and its limits.
        name: The feature.
        profile: The training data.
        frame: New rows.
        features: How many features share the alarm budget.
        season: Half month of the year of the middle of the window; None without a timestamp.

    Returns:
        Statistics and level; `unmeasurable` with the reason where nothing can be measured.
    """
    reference = profile.columns[name]
    if name not in frame.columns:
        details = {"missing": 1.0, "missing_reference": reference.missing}
        return FeatureDrift(name, "unmeasurable", details=details, reason="the column is missing")
    column = frame[name].fill_nan(None) if frame.schema[name].is_float() else frame[name]
    present = column.drop_nulls()
    missing = column.null_count() / len(column) if len(column) else 1.0
    details = {"rows": float(len(present)), "missing": missing, "missing_reference": reference.missing}
    method = _method(spec.monitoring, reference)
    if not reference.seasons or spec.monitoring.alarm_budget is None:
        season = None
    statistics: dict[str, DriftStatistic] = {}
    if len(column):
        statistics["missing_rise"] = DriftStatistic(missing - reference.missing, *MISSING_RISE)
    reason, note = f"{len(present):,} values are fewer than {MIN_ROWS}", ""
    if len(present) >= MIN_ROWS:
        try:
            expected, actual = expected_bins(reference), actual_bins(reference, present)
            if season is not None:
                expected = replace(expected, proportions=reference.seasons[season])
            limits = limits_of(
                spec, method, profile, reference, expected, rows=len(present), features=features
            )
            note = limits.reason
            moved = _movement(method, limits, expected, actual)
            statistics = moved | statistics | _out_of_range(reference, present, learned=limits.learned)
            details |= _significance(reference, expected, actual, profile.rows, len(present))
            details |= _means(reference, present)
        except ValueError as error:
            reason = str(error)
    level, worst = _worst(statistics)
    if method not in statistics and level != "significant":
        return FeatureDrift(name, "unmeasurable", method, statistics, details, reason=reason)
    sentence = "" if level == "stable" else f"{worst} {statistics[worst].value:.3g}"
    return FeatureDrift(
        name, level, method, statistics, details, reason=sentence, reference=_reference(season), note=note
    )


def _reference(season: int | None) -> str:
    if season is None:
        return "all"
    return f"around {'late' if season % 2 else 'early'} {calendar.month_name[season // 2 + 1]}"


def _worst(statistics: dict[str, DriftStatistic]) -> tuple[Level, str]:
    order: tuple[Level, ...] = ("significant", "unmeasurable", "moderate")
    levels = {name: one.level for name, one in statistics.items() if one.decides}
    for level in order:
        if names := [name for name, own in levels.items() if own == level]:
            return level, names[0]
    return "stable", ""


def _method(monitoring: MonitoringSpec, reference: ColumnProfile) -> str:
    """Return the method of the model file; PSI for categories where that method needs bins in order."""
    name = monitoring.drift_limits.method
    return "psi" if DRIFT_METHODS[name].orders_bins and reference.kind == "category" else name


def _movement(method: str, limits: Limits, expected: Bins, actual: Bins) -> dict[str, DriftStatistic]:
    """Return the value of the chosen method, which decides, and of the others that can measure the column."""
    value = DRIFT_METHODS[method].function(expected, actual)
    usual = DRIFT_METHODS[method].warn, DRIFT_METHODS[method].act
    statistics = {
        method: DriftStatistic(
            value,
            limits.warn,
            limits.act,
            learned=limits.learned,
            usual=None if usual == (limits.warn, limits.act) else usual,
        )
    }
    for name, other in DRIFT_METHODS.items():
        if name == method or (other.orders_bins and not expected.edges):
            continue
        try:
            value = other.function(expected, actual)
        except ValueError:
            continue
        statistics[name] = DriftStatistic(value, other.warn, other.act, decides=False)
    return statistics


def _out_of_range(
    reference: ColumnProfile, present: pl.Series, *, learned: bool
) -> dict[str, DriftStatistic]:
    """Share of values beyond the training range. Profiles of older versions hold no range."""
    low, high = reference.minimum, reference.maximum
    if low is None or high is None or not present.dtype.is_numeric():
        return {}
    margin = (IMPOSSIBLE_MARGIN if learned else RANGE_MARGIN) * (high - low)
    outside = int(((present < low - margin) | (present > high + margin)).sum())
    return {"out_of_range": DriftStatistic(outside / len(present), *OUT_OF_RANGE)}


def _significance(
    reference: ColumnProfile, expected: Bins, actual: Bins, rows: int, present: int
) -> dict[str, float]:
    """Statistic and p-value of a test: Kolmogorov-Smirnov for numbers, chi-squared for text."""
    trained = max(1, round(rows * (1.0 - reference.missing)))
    is_number = reference.kind == "number"
    test, label = (
        (kolmogorov_smirnov_test, "ks_statistic") if is_number else (chi_squared, "chi_squared_statistic")
    )
    statistic, p_value = test(expected.proportions, trained, actual.proportions, present)
    return {label: statistic, "p": p_value}


def _means(reference: ColumnProfile, present: pl.Series) -> dict[str, float]:
    mean = present.mean() if present.dtype.is_numeric() else None
    if reference.mean is None or not isinstance(mean, (int, float)):
        return {}
    return {"mean": float(mean), "mean_reference": reference.mean}

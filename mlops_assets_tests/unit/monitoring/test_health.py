"""The diagnosis: broken data comes first, error and importance decide together, what is not known is never healthy."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops_assets.artifacts import (
    DriftReport,
    DriftStatistic,
    FeatureDrift,
    HealthReport,
    PerformanceReport,
    Signal,
    WindowPerformance,
    from_json,
    to_json,
)
from mlops_assets.artifacts.health import Diagnosis
from mlops_assets.monitoring import Observations, broken_inputs, diagnose
from mlops_assets_tests.unit.features.feature_factory import model

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = model()  # windows of seven days
GOOD_READINGS = Signal("pump", "data_quality", NOW, active=False)
BROKEN_READINGS = replace(GOOD_READINGS, active=True, reason="flow_m3h is missing in 60 % of the rows")


def performance(**changes: Any) -> PerformanceReport:
    report = PerformanceReport(
        "pump", 3, NOW, "as_trained", "rmse was 1, as on the holdout", "rmse", 1.0, 0.01
    )
    return replace(report, **changes)


def importance(*, active: bool = False, version: int = 3) -> Signal:
    return Signal("pump", "importance", NOW, active, version=version, reason="vibration came first")


def drift(*features: FeatureDrift, rows: int = 900) -> DriftReport:
    return DriftReport("pump", 3, rows, "significant", 0.4, 0.5, features, NOW)


def feature(*, psi: float, missing_rise: float = 0.0, **changes: Any) -> FeatureDrift:
    statistics = {
        "psi": DriftStatistic(psi, 0.1, 0.25),
        "missing_rise": DriftStatistic(missing_rise, 0.05, 0.2),
    }
    return replace(
        FeatureDrift("x", "significant", statistics=statistics, reason="missing_rise 0.9"), **changes
    )


def observed(**changes: Any) -> Observations:
    return replace(Observations(GOOD_READINGS, performance(), None, importance()), **changes)


def diagnosis(as_of: datetime = NOW, **changes: Any) -> HealthReport:
    return diagnose(SPEC, 3, observed(**changes), as_of)


@pytest.mark.parametrize(
    ("level", "changed", "expected"),
    [
        ("as_trained", False, "healthy"),
        ("as_trained", True, "early_warning"),
        ("worse", False, "ageing"),
        ("worse", True, "concept_drift"),
        ("worse", None, "ageing_or_concept_drift"),
        ("as_trained", None, "unknown"),
        ("unmeasurable", False, "unknown"),
        ("unmeasurable", True, "early_warning"),
        ("unmeasurable", None, "unknown"),
    ],
)
def test_error_and_importance_decide_together(level: Any, changed: bool | None, expected: Diagnosis) -> None:
    signal = None if changed is None else importance(active=changed)
    report = diagnosis(performance=performance(level=level), importance=signal)
    assert report.diagnosis == expected
    assert bool(report.advice) == (expected not in ("healthy", "unknown"))
    assert from_json(HealthReport, to_json(report)) == report


def test_broken_data_is_named_before_everything_else() -> None:
    report = diagnosis(
        quality=BROKEN_READINGS, performance=performance(level="worse"), importance=importance(active=True)
    )
    assert report.diagnosis == "broken_data"
    assert "flow_m3h is missing" in report.sentence
    months_later = diagnosis(NOW + 90 * DAY, quality=BROKEN_READINGS)
    assert months_later.diagnosis == "broken_data"  # until readings pass


def test_a_dead_input_is_broken_data_and_a_moved_one_is_not() -> None:
    dead = feature(psi=0.01, missing_rise=0.9)
    moved = feature(psi=0.9)
    assert diagnosis(drift=drift(dead)).diagnosis == "broken_data"
    assert diagnosis(drift=drift(moved)).diagnosis == "healthy"
    assert "the inputs moved: x" in [fact.sentence for fact in diagnosis(drift=drift(moved)).facts]
    assert not broken_inputs(drift(replace(dead, decides=False)))
    assert not broken_inputs(drift(dead, rows=20))  # too few rows say nothing
    gone = {"missing": 1.0, "missing_reference": 0.1}
    assert broken_inputs(
        drift(FeatureDrift("x", "unmeasurable", details=gone, reason="the column is missing"))
    )
    always = {"missing": 0.95, "missing_reference": 0.95}  # few values in training too
    assert not broken_inputs(drift(FeatureDrift("x", "unmeasurable", details=always)))
    assert not broken_inputs(
        drift(FeatureDrift("x", "unmeasurable", reason="one open bin holds every value"))
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"quality": None},
        {"performance": None},
        {"performance": performance(version=2)},
        {"importance": importance(version=2)},
    ],
)
def test_what_was_not_measured_of_this_version_is_not_healthy(changes: dict[str, Any]) -> None:
    report = diagnosis(**changes)
    assert report.diagnosis == "unknown"
    assert "not " in report.sentence


def test_old_observations_do_not_count() -> None:
    assert diagnosis(NOW + 6 * DAY).diagnosis == "healthy"
    old = diagnosis(NOW + 8 * DAY)
    assert old.diagnosis == "unknown"
    assert "2026-06-01" in old.sentence


def test_a_jump_from_one_window_to_the_next_counts_above_the_holdout_only() -> None:
    assert diagnosis(performance=performance(week_over_week=0.3, rise=0.1)).diagnosis == "ageing"
    assert diagnosis(performance=performance(week_over_week=0.3, rise=-0.1)).diagnosis == "healthy"


@pytest.mark.parametrize(("coverage", "state"), [(0.9, "good"), (0.84, "bad"), (0.99, "good")])
def test_intervals_that_promise_too_much_are_named(coverage: float, state: str) -> None:
    window = WindowPerformance(NOW - 7 * DAY, NOW, 400, 400, "mature", {"rmse": 1.0}, {}, coverage)
    facts = {fact.name: fact for fact in diagnosis(performance=performance(windows=(window,))).facts}
    assert facts["coverage"].state == state


def test_without_a_champion_nothing_is_diagnosed() -> None:
    assert diagnose(SPEC, None, observed(), NOW).diagnosis == "no_champion"

"""The monitoring page: what is wrong stands first, nothing that is unknown is green, values from data stay text."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from mlops_assets import reports
from mlops_assets.artifacts import (
    DriftReport,
    DriftStatistic,
    Fact,
    FeatureDrift,
    HealthReport,
    MonitoringReport,
    PerformanceReport,
    SlicePerformance,
    WindowPerformance,
    from_json,
    to_json,
)
from mlops_assets.artifacts.performance import RecordedValue
from mlops_assets.metrics import Bounds, Scored
from mlops_assets.reports.monitoring import UNBROKEN, error_limit
from mlops_assets_tests.unit.features.feature_factory import model, wine
from mlops_assets_tests.unit.reports.test_hostile_report import COLUMN, ENTITY, SET_TITLE, Page

NOW = datetime(2026, 6, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
PNG = b"\x89PNG"
HEALTH = HealthReport(
    "pump",
    3,
    NOW,
    "ageing",
    "version 3 is ageing: the error rose",
    NOW + WEEK,
    "retrain on recent data",
    (
        Fact("data", "good", "the readings passed their rules", NOW),
        Fact("importance", "unknown", "not measured"),
    ),
)


def window(weeks: int, rmse: float, **changes: Any) -> WindowPerformance:
    end = NOW - weeks * WEEK
    one = WindowPerformance(end - WEEK, end, 400, 390, "mature", {"rmse": rmse}, {"rmse": 5.0}, 0.91)
    return replace(one, **changes)


def drift(days: int, psi: float, name: str = "flow") -> DriftReport:
    feature = FeatureDrift(name, "significant", statistics={"psi": DriftStatistic(psi, 0.1, 0.25)})
    dead = FeatureDrift("dead", "unmeasurable", reason="the column is missing")
    return DriftReport("pump", 3, 900, "significant", psi, 0.5, (feature, dead), NOW - timedelta(days=days))


def report(**changes: Any) -> MonitoringReport:
    performance = PerformanceReport(
        *("pump", 3, NOW, "worse", "rmse was 2 last week, 100% worse than 1 on the holdout", "rmse"),
        baseline=1.0,
        rise=1.0,
        windows=(
            window(0, 2.0, state="restated", restated_from=1.9),
            window(1, 1.0),
            window(2, 1.1, coverage=None),
        ),
        slices=(SlicePerformance("u1", 200, 2.5, "unit"),),
    )
    return replace(
        MonitoringReport("pump", NOW, HEALTH, performance, (drift(0, 0.7), drift(1, 0.1))), **changes
    )


def scored(rows: int = 40) -> Scored:
    truth = np.arange(rows, dtype=np.float64)
    truth[-3:] = np.nan  # labels that have not arrived
    ones = np.ones(rows)
    return Scored(truth, truth + 1, None, truth - 1, bounds=Bounds(0.9, truth - ones, truth + 2 * ones))


def when(rows: int = 40) -> list[datetime]:
    return [NOW + timedelta(hours=index) for index in range(rows)]


def test_the_page_says_first_what_is_wrong_and_what_to_do() -> None:
    plots = reports.monitoring_plots(model(), report(), scored(), when(), "u1")
    assert list(plots) == ["error_over_time", "predictions", "coverage_over_time", "drift_over_time"]
    assert all(png.startswith(PNG) and len(png) < 80_000 for png in plots.values())
    text = Page(reports.monitoring_html(model(), report(), plots, [("gate report", "/pump/abc")])).text
    first = [
        text.index(part) for part in ("Ageing: pump", HEALTH.sentence, "retrain on recent data", "100% worse")
    ]
    assert first == sorted(first)
    for part in ("1.9 before", "u1", "2.5", "0.7", "unmeasurable", "91.0%"):
        assert part in text, part


@pytest.mark.parametrize("diagnosis", ["unknown", "no_champion", "broken_data", "concept_drift"])
def test_only_a_healthy_model_is_green(diagnosis: Any) -> None:
    healthy = replace(HEALTH, diagnosis="healthy")
    assert 'class="top promote"' in reports.monitoring_html(model(), report(health=healthy), {})
    other = replace(HEALTH, diagnosis=diagnosis)
    assert 'class="top promote"' not in reports.monitoring_html(model(), report(health=other), {})


def test_a_model_without_any_report_has_a_page_too() -> None:
    nothing = report(performance=None, drift=())
    assert reports.monitoring_plots(model(), nothing, None) == {}
    assert "It was never measured" in reports.monitoring_html(model(), nothing, {})
    assert from_json(MonitoringReport, to_json(report())) == report()


def test_a_window_stands_on_one_line() -> None:
    text = Page(reports.monitoring_html(model(), report(), {})).text
    assert "2026-05-25 to 2026-06-01".translate(UNBROKEN) in text


def test_each_value_of_a_restated_window_is_listed() -> None:
    first = RecordedValue(NOW - 2 * WEEK, 1.9, 310, "mature")
    restated = window(0, 2.0, state="restated", restated_from=1.9, recorded=(first,))
    unchanged = window(1, 1.0, recorded=(replace(first, value=1.0),))
    performance = PerformanceReport("pump", 3, NOW, "worse", "", "rmse", windows=(restated, unchanged))
    lines = reports.restatement_lines(report(performance=performance))
    assert [line.split(": ", 1)[1] for line in lines] == [
        "rmse 2 by 390 labels at 2026-06-01 00:00 UTC, restated",
        "rmse 1.9 by 310 labels at 2026-05-18 00:00 UTC, complete",
    ]
    text = Page(reports.monitoring_html(model(), report(performance=performance), {})).text
    assert "Windows whose value changed" in text
    assert "Windows whose value changed" not in Page(reports.monitoring_html(model(), report(), {})).text


def test_classes_are_counted_instead_of_drawn_over_time() -> None:
    codes = np.array([0.0, 1.0, 1.0])
    plots = reports.monitoring_plots(wine(), report(), Scored(codes, codes, None, None, ("no", "yes")))
    assert plots["predictions"].startswith(PNG)


def test_values_from_data_stay_text() -> None:
    hostile = report(
        health=replace(HEALTH, sentence=COLUMN, facts=(Fact("data", "bad", ENTITY, NOW),)),
        drift=(drift(0, 0.7, COLUMN),),
    )
    plots = reports.monitoring_plots(model(), hostile, scored(), when(), ENTITY)
    page = Page(reports.monitoring_html(model(), hostile, plots))
    assert not page.elements & {"script", "svg"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert SET_TITLE in page.text


@pytest.mark.parametrize(("metric", "limit"), [("rmse", 1.15), ("r2", 0.85), ("bias", None)])
def test_the_limit_lies_on_the_worse_side_of_the_holdout(metric: str, limit: float | None) -> None:
    performance = PerformanceReport("pump", 3, NOW, "worse", "", metric, baseline=1.0)
    assert error_limit(model(), performance) == (None if limit is None else pytest.approx(limit))

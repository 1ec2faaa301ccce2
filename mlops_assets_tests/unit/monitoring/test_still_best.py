"""Whether the champion is still the best: 'yes' needs a recent, decided comparison; doubt is 'not known'."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops_assets.artifacts import Comparison, Delivery, HealthReport, PerformanceReport, WindowPerformance
from mlops_assets.monitoring import still_best
from mlops_assets.monitoring.still_best import LastComparison
from mlops_assets_tests.unit.features.feature_factory import model

NOW = datetime(2026, 6, 8, tzinfo=UTC)
DAY = timedelta(days=1)
SPEC = model(monitoring={"stale_after": "14d"})
HEALTHY = HealthReport("pump", 7, NOW, "healthy", "works as promised", NOW + DAY)
KEPT = LastComparison(8, NOW - 3 * DAY, "kept", "rmse 1.02 against 1.00", decided=True)
GAIN = Comparison("rmse", "test", 1.5, 2.0, 0.05, 0.02, 0.08, 0.95, "blocks", 300)


def delivery(low: float, high: float) -> Delivery:
    return Delivery(
        6, 7, GAIN, replace(GAIN, improvement=(low + high) / 2, low=low, high=high), NOW, NOW, NOW
    )


def performance(*errors: tuple[float, float]) -> PerformanceReport:
    windows = tuple(
        WindowPerformance(
            NOW - (n + 1) * DAY, NOW - n * DAY, 99, 99, "mature", {"rmse": own}, {"rmse": naive}
        )
        for n, (own, naive) in enumerate(errors)
    )
    return PerformanceReport("pump", 7, NOW, "as_trained", "", "rmse", windows=windows)


def verdict(**changes: Any) -> tuple[str, str]:
    known: dict[str, Any] = {
        "health": HEALTHY,
        "performance": None,
        "delivery": None,
        "compared": KEPT,
        "waiting": None,
    }
    return still_best(SPEC, **known | changes, now=NOW)


@pytest.mark.parametrize(
    ("changes", "expected", "reason"),
    [
        ({}, "yes", "version 8 was not better on 2026-06-05"),
        ({"compared": replace(KEPT, version=7, action="promoted")}, "yes", "it won on"),
        (
            {
                "compared": replace(KEPT, version=7, action="promoted"),
                "health": replace(HEALTHY, diagnosis="ageing"),
            },
            "not_known",
            "its error rose and no challenger was compared since it won on 2026-06-05",
        ),
        ({"health": replace(HEALTHY, diagnosis="ageing")}, "yes", "version 8 was not better"),
        ({"compared": replace(KEPT, decided=False)}, "not_known", "did not decide"),
        ({"compared": replace(KEPT, action="refused")}, "not_known", "was refused"),
        ({"compared": replace(KEPT, at=NOW - 15 * DAY)}, "not_known", "last compared"),
        ({"compared": None}, "not_known", "no challenger was ever compared"),
        ({"health": replace(HEALTHY, version=None)}, "not_known", "no champion"),
        (
            {"health": replace(HEALTHY, diagnosis="broken_data", sentence="flow is dead")},
            "not_known",
            "flow is dead",
        ),
        ({"waiting": 9}, "no", "version 9 passed"),
        ({"delivery": delivery(-0.2, -0.1)}, "no", "former champion was better"),
        ({"delivery": delivery(-0.2, 0.1)}, "yes", "was not better"),
        ({"delivery": replace(delivery(-0.2, -0.1), version=5)}, "yes", "was not better"),
        ({"performance": performance((2.0, 1.0), (2.0, 1.5))}, "no", "naive forecast was better"),
        ({"performance": performance((2.0, 1.0), (2.0, 2.5))}, "yes", "was not better"),
        ({"performance": performance((2.0, 1.0))}, "yes", "was not better"),
    ],
)
def test_the_verdict_and_its_reason(changes: dict[str, Any], expected: str, reason: str) -> None:
    result, because = verdict(**changes)
    assert result == expected
    assert reason in because


def test_a_naive_forecast_that_is_not_known_in_time_is_not_available() -> None:
    late = model(monitoring={"label_delay": "2d"})
    report = performance((2.0, 1.0), (2.0, 1.5))
    assert still_best(late, HEALTHY, report, None, KEPT, None, NOW)[0] == "yes"

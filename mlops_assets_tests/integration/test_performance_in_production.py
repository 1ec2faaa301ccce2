"""A model in production: predictions meet their labels, the trend is recorded, a risen error leads to one retrain."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from mlops_assets import stages
from mlops_assets.artifacts import DriftReport, HealthReport, MonitoringReport, PerformanceReport, from_json
from mlops_assets.defs.weekly import costs_until
from mlops_assets.lifecycle import governing
from mlops_assets.lifecycle.monitoring_report import monitoring_folder
from mlops_assets.lifecycle.platform import known_record
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import LocalPlatform, readings

pytestmark = pytest.mark.slow

MONITORED = {"window": "6h", "stale_after": None}  # 72 readings a window
REACTIONS = {"reactions": {"drift": "nothing"}}


def performance(local_platform: LocalPlatform, spec: ModelSpec) -> PerformanceReport:
    report = known_record(local_platform.platform, spec, stages.PERFORMANCE_REPORT, PerformanceReport)
    assert report is not None
    return report


def test_a_risen_error_leads_to_one_retrain(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(readings(1_000), monitoring=MONITORED, retraining=REACTIONS)
    ledger = local_platform.platform.ledger
    assert local_platform.run_lifecycle(
        spec, rows=432
    ).success  # until noon of the second day: the end of a window
    assert local_platform.run_lifecycle(spec, rows=432, job="drift").success
    assert (
        performance(local_platform, spec).level == "unmeasurable"
    )  # its own training data is not production
    for job in ("predictions", "drift"):
        assert local_platform.run_lifecycle(spec, rows=600, job=job).success
    report = performance(local_platform, spec)
    assert (report.level, report.labels is not None) == ("as_trained", True)
    assert [window.predictions for window in report.windows] == [72, 72]
    [*trend] = ledger.performance(spec.name, metric="rmse", split="live")
    assert [row.at for row in trend] == [window.end for window in reversed(report.windows)]
    drift = known_record(local_platform.platform, spec, stages.DRIFT_REPORT, DriftReport)
    assert drift is not None
    assert drift.table is not None  # the rows it speaks of can be read again
    assert drift.source == "readings"  # nobody called the API
    assert drift.prediction is not None
    assert drift.prediction.details["rows"] == 72.0
    assert drift.alarms[0].cause == "drift"
    assert local_platform.platform.datasets.read(drift.table).height == drift.table.rows

    now = datetime.now(UTC)
    assert governing.preview(spec, local_platform.platform, now).rule == "no_reason"
    changed = pl.concat([readings(600), readings(1_000, slope=-3.0)[600:]])  # the world turns around
    changed.write_parquet(local_platform.file(spec.name))
    for job in ("predictions", "drift"):
        assert local_platform.run_lifecycle(spec, rows=660, job=job).success
    health = known_record(local_platform.platform, spec, stages.MODEL_HEALTH, HealthReport)
    assert health is not None
    assert health.diagnosis == "ageing"  # the same features matter, and the error rose
    [changed_health] = [one for one in ledger.alerts(spec.name) if one.kind == "model_health"]
    assert "Next: retrain on recent data" in changed_health.message
    folder = monitoring_folder(local_platform.platform, spec.name)
    export = from_json(MonitoringReport, json.loads((folder / "monitoring.json").read_text()))
    assert export.health.diagnosis == health.diagnosis
    assert [one.as_of for one in export.drift] == sorted([one.as_of for one in export.drift], reverse=True)
    page = (folder / "index.html").read_text()
    assert page.count("<img") == 4
    assert f"/{spec.name}/data_quality/index.html" in page
    cost = costs_until(datetime.now(UTC))[spec.name]
    assert (cost.runs, cost.failed, cost.cpu_runs) == (6, 0, 6)
    assert cost.cpu_seconds > 0
    assert cost.seconds > 0
    worse = performance(local_platform, spec)
    assert worse.level == "worse"
    assert worse.rise is not None
    assert worse.rise > 1
    situation = governing.situation(spec, local_platform.platform, now)
    requests = [governing.decide(situation, local_platform.platform, now).request for _ in range(3)]
    assert [request is not None for request in requests] == [True, False, False]
    [request] = ledger.open_requests(spec.name)
    assert request.cause == "error"
    assert "worse than" in str(request.detail["reason"])
    [alert] = [one for one in ledger.alerts(spec.name) if one.kind == "performance_week"]
    assert "from one window to the next" in alert.message

    window = {"monitoring": spec.monitoring.model_copy(update={"window": timedelta(hours=12)})}
    longer = spec.model_copy(update=window)
    assert local_platform.run_lifecycle(longer, rows=660, job="drift").success
    assert "restated" not in {window.state for window in performance(local_platform, longer).windows}
    corrected = changed.with_columns(y=pl.col("y") + pl.int_range(pl.len()).is_between(500, 520) * 5)
    corrected.write_parquet(local_platform.file(spec.name))
    assert local_platform.run_lifecycle(longer, rows=661, job="drift").success
    [restated] = [one for one in performance(local_platform, longer).windows if one.state == "restated"]
    rows = [one for one in ledger.performance(spec.name, metric="rmse") if one.at == restated.end]
    assert [(one.restatement, one.state) for one in rows if one.window == longer.monitoring.window] == [
        (0, "mature"),
        (1, "restated"),
    ]

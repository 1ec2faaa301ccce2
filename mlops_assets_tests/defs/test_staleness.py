"""What the lineage graph shows as out of date, asked of Dagster's own resolver, and what makes it so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest

from mlops_assets import stages
from mlops_assets.artifacts import DriftReport
from mlops_assets.defs.automation import LIFECYCLE_JOB
from mlops_assets.defs.housekeeping import LAUNCH_WITHIN, close_requests, report_missed_failures
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.errors import ServiceError
from mlops_assets.lifecycle import alerts
from mlops_assets.lifecycle.platform import known_record
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import LocalPlatform, end_of, readings

WATCH = {"window": "12h", "drift": {"warn": 0.1, "act": 0.25}}


def stale(spec: ModelSpec) -> dict[str, str]:
    """Every stage and whether it is FRESH, STALE or MISSING."""
    with dg.DagsterInstance.get() as instance:
        graph = build_definitions([spec]).resolve_asset_graph()
        resolver = CachingStaleStatusResolver(instance, graph, LoadingContextForTest(instance))
        return {stage: resolver.get_status(dg.AssetKey([spec.name, stage])).value for stage in stages.STAGES}


def data_versions(spec: ModelSpec) -> dict[str, str | None]:
    with dg.DagsterInstance.get() as instance:
        result = {}
        for stage in stages.STAGES:
            event = instance.get_latest_materialization_event(dg.AssetKey([spec.name, stage]))
            assert event is not None
            assert event.asset_materialization is not None
            result[stage] = (event.asset_materialization.tags or {}).get("dagster/data_version")
        return result


def tick(spec: ModelSpec, name: str, instance: dg.DagsterInstance) -> Any:
    """Evaluate a sensor as the daemon does, its asset events recorded."""
    definitions = build_definitions([spec], retries=None)
    sensor = next(one for one in definitions.sensors or () if one.name == name)
    with dg.build_sensor_context(
        instance=instance,
        resources={"platform": PlatformResource()},
        definitions=definitions,
        sensor_name=name,
    ) as context:
        response = sensor.evaluate_tick(context)
    for event in response.asset_events:
        assert isinstance(event, dg.AssetMaterialization)
        instance.report_runless_asset_event(event)
    return response


def launch(
    spec: ModelSpec, request: dg.RunRequest, instance: dg.DagsterInstance
) -> dg.ExecuteInProcessResult:
    """Carry out a run request here."""
    return (
        build_definitions([spec], retries=None)
        .resolve_job_def(str(request.job_name))
        .execute_in_process(
            instance=instance,
            asset_selection=list(request.asset_selection) if request.asset_selection else None,
            tags=dict(request.tags),
            raise_on_error=False,
        )
    )


def test_unchanged_data_is_neither_retrained_nor_stale(local_platform: LocalPlatform) -> None:
    spec = local_platform.model()
    assert local_platform.run_lifecycle(spec).success
    assert set(stale(spec).values()) == {"FRESH"}
    before = data_versions(spec)
    assert local_platform.run_lifecycle(spec).success
    assert local_platform.status(spec) == ["champion"]
    assert any("not trained again" in sentence for sentence in local_platform.sentences)
    assert not [sentence for sentence in local_platform.sentences if "Skipping" in sentence]
    assert data_versions(spec) == before
    assert set(stale(spec).values()) == {"FRESH"}


def test_a_kept_champion_leaves_nothing_stale(local_platform: LocalPlatform) -> None:
    spec = local_platform.model()
    assert local_platform.run_lifecycle(spec).success
    readings(440).write_parquet(local_platform.file(spec.name))
    assert local_platform.run_lifecycle(spec, rows=440).success
    assert local_platform.status(spec) == ["champion", "archived"]
    assert set(stale(spec).values()) == {"FRESH"}


def test_a_changed_model_file_shows_where_it_matters(local_platform: LocalPlatform) -> None:
    spec = local_platform.model()
    assert local_platform.run_lifecycle(spec).success
    other = local_platform.model(
        name=spec.name, training={"algorithms": [{"ridge": {"alpha": 5.0}}], "time_limit": "5m"}
    )
    result = stale(other)
    assert result["trained_model"] == "STALE"
    assert {result[stage] for stage in ("raw_readings", "validated_data", "features")} == {"FRESH"}


def test_drift_asks_once_and_the_retrain_clears_the_mark(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(monitoring=WATCH)
    assert local_platform.run_lifecycle(spec).success
    assert local_platform.run_lifecycle(spec, job="drift").success
    report = known_record(local_platform.platform, spec, stages.DRIFT_REPORT, DriftReport)
    assert report is not None
    assert report.level in (
        "stable",
        "moderate",
    )  # 144 rows of the same world, which PSI may call a little moved
    with dg.DagsterInstance.get() as instance:
        assert not tick(spec, "retrain_governor", instance).run_requests

        moved = readings(600, shift=4.0)
        frame = readings(400).vstack(moved[400:])
        frame.write_parquet(local_platform.file(spec.name))
        assert local_platform.run_lifecycle(spec, rows=600, job="drift").success
        report = known_record(local_platform.platform, spec, stages.DRIFT_REPORT, DriftReport)
        assert report is not None
        assert (report.level, report.features[0].feature) == ("significant", "x")

        response = tick(spec, "retrain_governor", instance)
        [request] = response.run_requests
        [marker] = response.asset_events
        assert marker.asset_key.path == [spec.name, "retrain_request"]
        assert "x moved by PSI" in str(marker.description)
        assert stale(spec)["trained_model"] == "STALE"

        again = tick(spec, "retrain_governor", instance)
        assert (again.run_requests, again.asset_events) == ([], [])
        assert len(local_platform.platform.ledger.open_requests(spec.name)) == 1

        # with the ledger's cooldown over, the same fact is still the same fact
        assert close_requests([spec], local_platform.platform, instance, datetime.now(UTC)) == []
        later = datetime.now(UTC) + LAUNCH_WITHIN + timedelta(seconds=1)
        [lost] = close_requests([spec], local_platform.platform, instance, later)
        assert (lost.run_key, lost.tags["mlops/request"]) == (request.run_key, request.tags["mlops/request"])

        result = launch(spec, request, instance)
        assert result.success
        assert len(local_platform.status(spec)) == 2
        assert close_requests([spec], local_platform.platform, instance, later) == []
        assert local_platform.platform.ledger.open_requests(spec.name) == ()
        [closed] = local_platform.platform.ledger.retrain_requests(spec.name)
        assert (closed.state, closed.run_id) == ("done", result.run_id)
        assert stale(spec)["trained_model"] == "FRESH"
        assert tick(spec, "retrain_governor", instance).run_requests == []


def test_a_request_that_is_launched_twice_trains_once(local_platform: LocalPlatform) -> None:
    """The governor's tick stalls, housekeeping launches the request again, then both runs start."""
    spec = local_platform.model()
    ledger = local_platform.platform.ledger
    assert ledger.request_retrain(spec.name, "manual-1", "manual", {}, datetime.now(UTC))
    with dg.DagsterInstance.get() as instance:
        from mlops_assets.defs.automation import request

        wanted = request(spec, LIFECYCLE_JOB, end_of(400).isoformat(), "manual-1")
        first, second = (launch(spec, wanted, instance) for _ in range(2))
        assert (first.success, second.success) == (True, False)
        assert len(local_platform.status(spec)) == 1  # one version was trained
        later = datetime.now(UTC) + LAUNCH_WITHIN + timedelta(seconds=1)
        assert close_requests([spec], local_platform.platform, instance, later) == []
    [closed] = ledger.retrain_requests(spec.name)
    assert (closed.state, closed.run_id) == ("done", first.run_id)


def test_status_sensors_close_the_request_of_a_run(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(validation={"min_rows": 401})
    now = datetime.now(UTC)
    assert local_platform.platform.ledger.request_retrain(spec.name, "manual-1", "manual", {}, now)
    definitions = build_definitions([spec], retries=None)
    sensors = {one.name: one for one in definitions.sensors or ()}
    with dg.DagsterInstance.get() as instance:
        from mlops_assets.defs.automation import request

        result = launch(spec, request(spec, LIFECYCLE_JOB, end_of(400).isoformat(), "manual-1"), instance)
        assert not result.success
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        for _ in range(2):  # a second daemon, a lost cursor
            for name in ("failed_run_alert", "end_mlflow_run_failure"):
                built = dg.build_run_status_sensor_context(
                    sensor_name=name,
                    dagster_event=result.get_run_failure_event(),
                    dagster_instance=instance,
                    dagster_run=run,
                    resources={"platform": PlatformResource()},
                )
                with built.for_run_failure() if name == "failed_run_alert" else built as context:
                    sensors[name](context)
    [requested] = local_platform.platform.ledger.retrain_requests(spec.name)
    assert (requested.state, requested.run_id) == ("failed", run.run_id)
    [alert] = local_platform.platform.ledger.alerts(spec.name)
    assert (alert.kind, alert.key) == ("run_failed", f"run-{run.run_id}")
    assert "401" in alert.message


def test_a_failed_run_that_no_sensor_saw_gets_its_alert_from_housekeeping(
    local_platform: LocalPlatform,
) -> None:
    spec = local_platform.model()
    ledger = local_platform.platform.ledger
    with dg.DagsterInstance.get() as instance:
        # failed runs of other tests on this instance get theirs first
        report_missed_failures(
            [spec], local_platform.platform, instance, datetime.now(UTC) + timedelta(minutes=3)
        )
        run = instance.create_run_for_job(empty_job, tags={"mlops/model": spec.name})
        instance.report_run_failed(run, "the worker is gone")  # no step, no failure data
        soon, later = (datetime.now(UTC) + wait for wait in (timedelta(seconds=1), timedelta(minutes=3)))
        assert report_missed_failures([spec], local_platform.platform, instance, soon) == 0
        assert report_missed_failures([spec], local_platform.platform, instance, later) == 1
        assert report_missed_failures([spec], local_platform.platform, instance, later) == 0
    [alert] = ledger.alerts(spec.name)
    assert (alert.kind, alert.key) == ("run_failed", f"run-{run.run_id}")
    assert "the worker is gone" in alert.message


@dg.job
def empty_job() -> None:
    """A job without steps."""


def test_an_alert_that_cannot_be_recorded_keeps_no_other_from_being_sent(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = local_platform.model(), local_platform.model()
    later = datetime.now(UTC) + timedelta(minutes=3)
    with dg.DagsterInstance.get() as instance:
        report_missed_failures([bad, good], local_platform.platform, instance, later)
        for spec in (good, bad):  # the newest is looked at first
            run = instance.create_run_for_job(empty_job, tags={"mlops/model": spec.name})
            instance.report_run_failed(run, "the worker is gone")
        send = alerts.alert_failed_run

        def alert_failed_run(platform: Any, run_id: str, spec: Any, *rest: Any) -> Any:
            if spec.name == bad.name:
                raise OSError("disk full")
            return send(platform, run_id, spec, *rest)

        monkeypatch.setattr(alerts, "alert_failed_run", alert_failed_run)
        with pytest.raises(ServiceError, match="disk full"):
            report_missed_failures([bad, good], local_platform.platform, instance, later)
    [alert] = local_platform.platform.ledger.alerts(good.name)
    assert "the worker is gone" in alert.message

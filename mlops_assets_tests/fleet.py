"""Many models in the stores without training any, and what a Dagster daemon leaves behind: for tests of operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import polars as pl
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._daemon.types import DaemonHeartbeat

from mlops_assets.artifacts import (
    DriftReport,
    DriftStatistic,
    FeatureDrift,
    PerformanceReport,
    WindowPerformance,
    to_json,
)
from mlops_assets.artifacts.rollouts import Observation
from mlops_assets.ledger import Ledger
from mlops_assets.model_file.rollout import RolloutSpec
from mlops_assets.operations.probe import RECORD, ProbeRecord

LOCATION = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("mlops_assets"), "__repository__")


@dg.op
def nothing() -> None:
    """A step that ends at once."""


@dg.job
def quick() -> None:
    """A run that ends at once."""
    nothing()


def add_model(ledger: Ledger, name: str, now: datetime, features: int = 20) -> None:
    """One model in production, with everything that is recorded about it."""
    made = ledger.new_version(name, now)
    ledger.record_bundle(
        name, made.version, bundle_path=f"{name}/{made.version}", manifest_sha256=f"{made.version:064x}"
    )
    gates = [{"gate": "min_rows", "verdict": "pass"}, {"gate": "beats_champion", "verdict": "not_applicable"}]
    evidence = ledger.record_evidence(name, made.version, {"gates": gates, "rest": ["x" * 80] * 200}, now)
    state = ledger.champion_state(name)
    ledger.promote(
        name,
        made.version,
        expected_revision=state.revision,
        evidence_hash=evidence,
        actor="ann",
        reason="first",
        at=now,
    )
    frame = pl.DataFrame({"entity": [""], "at": [now], "value": [1.0]})
    ledger.store_predictions(name, made.version, frame, predicted_at=now)
    drifts = tuple(
        FeatureDrift(f"f{number}", "stable", statistics={"psi": DriftStatistic(number / 100, 0.1, 0.25)})
        for number in range(features)
    )
    drift = DriftReport(name, made.version, 500, "moderate", 0.12, 0.1, drifts, now)
    ledger.put_record(f"{name}/drift_report", "r", to_json(drift), now)
    windows = (
        WindowPerformance(now - timedelta(days=7), now, 100, 40, "provisional", {}, {}),
        WindowPerformance(
            now - timedelta(days=14), now - timedelta(days=7), 100, 100, "mature", {"rmse": 1.5}, {}
        ),
    )
    performance = PerformanceReport(
        name, made.version, now, "as_trained", "fine", "rmse", baseline=1.2, rise=0.25, windows=windows
    )
    ledger.put_record(f"{name}/performance_report", "r", to_json(performance), now)
    ledger.put_record(
        f"{name}/rollback_check", "r", {"model": name, "version": made.version, "ready": True}, now
    )
    ledger.request_retrain(name, "drift-1", "drift", {}, now)


def add_rollout(ledger: Ledger, name: str, now: datetime) -> None:
    """A canary of a second version of such a model, whose challenger has failed 3 of 40 requests in the first step."""
    made = ledger.new_version(name, now)
    ledger.record_bundle(
        name, made.version, bundle_path=f"{name}/{made.version}", manifest_sha256=f"{made.version:064x}"
    )
    evidence = ledger.record_evidence(name, made.version, {"gates": [{"gate": "x", "verdict": "pass"}]}, now)
    rollout = ledger.start_rollout(
        name,
        made.version,
        plan=RolloutSpec(strategy="canary"),
        expected_revision=ledger.champion_state(name).revision,
        evidence_hash=evidence,
        actor="ann",
        reason="better",
        at=now,
    )
    ledger.observe_rollout(
        rollout.id, [Observation("api-1", 0, "challenger", 40, 3, (), loaded=True, problem=None, at=now)]
    )


def add_probe(ledger: Ledger, now: datetime) -> None:
    """A probe that succeeded."""
    record = ProbeRecord(now, {"queue": 0.4, "tables": 0.1}, succeeded_at=now)
    ledger.put_record(RECORD, "newest", to_json(record), now)


def add_daemon(now: datetime) -> None:
    """In Dagster's storage: a heartbeat, a sensor that is on with its tick, and a run that ended."""
    with dg.DagsterInstance.get() as instance:
        assert quick.execute_in_process(instance=instance).success
        instance.add_daemon_heartbeat(DaemonHeartbeat(now.timestamp(), "SENSOR", "d", []))
        origin = LOCATION.get_instigator_origin("housekeeping")
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
        if instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
            instance.add_instigator_state(state)
        instance.create_tick(
            TickData(
                state.instigator_origin_id,
                "housekeeping",
                InstigatorType.SENSOR,
                TickStatus.SKIPPED,
                now.timestamp(),
                selector_id=state.selector_id,
            )
        )


@contextmanager
def queued_runs(count: int) -> Iterator[None]:
    """So many runs that wait in Dagster's queue, for as long as the block runs."""
    status = dg.DagsterRunStatus.QUEUED
    with dg.DagsterInstance.get() as instance:
        runs = [
            instance.create_run_for_job(
                quick, status=status, remote_job_origin=LOCATION.get_job_origin("quick")
            )
            for _ in range(count)
        ]
        try:
            yield
        finally:
            for run in runs:
                instance.delete_run(run.run_id)


def add_backup(folder: Path, at: datetime) -> None:
    """A finished backup without files."""
    target = folder / f"{at:%Y%m%dT%H%M%SZ}"
    target.mkdir(parents=True)
    (target / "manifest.json").write_text(
        f'{{"created_at": "{at.isoformat()}", "release": "0.1.0", "home": "h", "files": {{}}}}'
    )

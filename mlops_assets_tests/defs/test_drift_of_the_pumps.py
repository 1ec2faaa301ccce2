"""Drift injected into the pump station: flow meters that read high. Asked for once, retrained, judged.

MLOPS_TABLES names a folder that the story is written to.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from mlops_assets import stages
from mlops_assets.artifacts import DriftReport
from mlops_assets.defs.execution import materialize
from mlops_assets.defs.housekeeping import close_requests
from mlops_assets.lifecycle.platform import known_record
from mlops_assets.model_file import ModelSpec, load_model
from mlops_assets_tests.defs.test_staleness import launch, stale, tick
from mlops_assets_tests.local_platform import LocalPlatform

REPOSITORY = Path(__file__).resolve().parents[2]
CHANGE = datetime(2026, 2, 1, tzinfo=UTC)


def pumps(folder: Path) -> ModelSpec:
    """The shipped model file, on ten days straight from the simulator, whose flow meters go wrong on 1 February."""
    body: dict[str, Any] = yaml.safe_load((REPOSITORY / "models" / "pump_efficiency.yaml").read_text())
    body["name"] = "drifting_pumps"
    body["source"] = {
        "kind": "simulated",
        "simulator": "pump_station",
        "window": "10d",
        "params": {"drift": {"since": CHANGE.isoformat(), "flow": 0.35, "demand": 0.3}},
    }
    body["validation"]["min_rows"] = 5_000
    file = folder / "drifting_pumps.yaml"
    file.write_text(yaml.safe_dump(body, sort_keys=False))
    return load_model(file)


@pytest.mark.slow
def test_drifting_pumps(local_platform: LocalPlatform, tmp_path: Path) -> None:
    spec = pumps(tmp_path)
    reported: list[str] = []

    def run_lifecycle(at: datetime, job: str) -> None:
        finished = materialize(spec, as_of=at, actor="tester", progress=reported.append, reuse=True, job=job)
        assert finished.success, finished.failures

    reported.append(f"### {CHANGE:%d %B}: a champion from ten days of sound readings")
    run_lifecycle(CHANGE, "lifecycle")
    run_lifecycle(CHANGE, "drift")
    week_later = CHANGE + timedelta(days=8)
    with dg.DagsterInstance.get() as instance:
        assert not tick(spec, "retrain_governor", instance).run_requests
        reported.append("retrain governor: nothing to ask for")
        reported.append(f"### {week_later:%d %B}: flow meters read 35 % high, demand is up by 30 %")
        run_lifecycle(week_later, "drift")
        report = known_record(local_platform.platform, spec, stages.DRIFT_REPORT, DriftReport)
        assert report is not None
        assert report.level == "significant"
        reported += [
            f"PSI {f.value:.3f} {f.level}: {f.feature}" for f in report.features[:8] if f.value is not None
        ]
        assert not tick(spec, "retrain_governor", instance).run_requests
        reported.append("retrain governor: waits, one of the last windows shows it and two are needed")
        week_later += timedelta(days=1)
        run_lifecycle(week_later, "drift")
        response = tick(spec, "retrain_governor", instance)
        [request] = response.run_requests
        [marker] = response.asset_events
        reported.append(
            f"retrain governor: one run request, key {request.tags['mlops/request']}: {marker.description}"
        )
        matches = stale(spec)
        reported.append(f"the graph: {matches}")
        assert matches["trained_model"] == "STALE"
        assert tick(spec, "retrain_governor", instance).run_requests == []
        reported.append("a second tick: nothing")
        result = launch(
            spec, request._replace(tags={**request.tags, "mlops/as_of": week_later.isoformat()}), instance
        )
        assert result.success
        close_requests([spec], local_platform.platform, instance, datetime.now(UTC))
        for entry in local_platform.platform.ledger.history(spec.name, 1):
            reported.append(f"verdict: version {entry.version} {entry.action}: {entry.reason}")
        [closed] = local_platform.platform.ledger.retrain_requests(spec.name)
        reported.append(f"the request: {closed.state} by run {closed.run_id}; the graph: {stale(spec)}")
        assert closed.state == "done"
        assert stale(spec)["trained_model"] == "FRESH"
        assert tick(spec, "retrain_governor", instance).run_requests == []
        reported.append("a third tick, after the retrain: nothing")
    if index := os.environ.get("MLOPS_TABLES"):
        lines = [line if line.startswith("#") else f"- {line}" for line in reported]
        (Path(index) / "drift.md").write_text(
            "# Drift injected into the pump readings\n\n" + "\n".join(lines) + "\n"
        )

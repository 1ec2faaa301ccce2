"""Human approval and rollback with real Dagster and MLflow: approval files, the mirror, tampering, readiness."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import pytest

from mlops_assets.artifacts import from_json
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.recovery import reproduction
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensors import sensors
from mlops_assets.lifecycle.approvals.files import folder
from mlops_assets.lifecycle.recovery.reproduce import RECORD, Reproduction
from mlops_assets.lifecycle.recovery.rollback import roll_back
from mlops_assets.lifecycle.recovery.rollback_check import last_check
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import GATES, LocalPlatform, readings

pytestmark = pytest.mark.slow


def tick(specs: Sequence[ModelSpec], name: str) -> Any:
    [sensor] = [one for one in sensors(specs, []) if one.name == name]
    with dg.build_sensor_context(resources={"platform": PlatformResource()}) as context:
        return sensor.evaluate_tick(context)


def tags(local_platform: LocalPlatform, model: str, version: int) -> dict[str, str]:
    rows: Callable[[str], Any] = local_platform.platform.registry.client.search_model_versions
    return next(one.tags for one in rows(f"name = '{model}'") if one.tags["mlops.version"] == str(version))


def alerts(local_platform: LocalPlatform, model: str, kind: str) -> list[str]:
    rows = local_platform.platform.ledger.alerts(model, open_only=True)
    return [one.message for one in rows if one.kind == kind]


def test_an_approval_file_promotes_and_mlflow_shows_it_and_stays_true(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(gates=[*GATES, "approval"])
    assert local_platform.run_lifecycle(spec).success
    assert local_platform.champion(spec) is None
    assert local_platform.status(spec) == ["challenger"]
    assert len(alerts(local_platform, spec.name, "approval")) == 1
    assert "human_approved" not in tags(local_platform, spec.name, 1)

    evidence_hash = local_platform.platform.ledger.evidence_of(spec.name, 1)[0].hash
    approvals_folder = folder(local_platform.settings)
    approvals_folder.mkdir(exist_ok=True)
    (approvals_folder / f"{spec.name}.yaml").write_text(
        f"evidence: {evidence_hash}\nverdict: approve\nby: ann\ncomment: fine\n"
    )
    assert "approved by ann: fine" in tick([spec], "approval_file_sensor").skip_message
    assert local_platform.champion(spec) == 1
    assert alerts(local_platform, spec.name, "approval") == []
    assert tags(local_platform, spec.name, 1) | {"human_approved": "true", "promoted": "true"} == tags(
        local_platform, spec.name, 1
    )
    assert tick([spec], "approval_file_sensor").skip_message == "no new verdicts"

    assert "MLflow shows" in tick([spec], "mlflow_mirror_sensor").skip_message
    client = local_platform.platform.registry.client
    client.delete_registered_model_alias(spec.name, "champion")
    client.set_model_version_tag(spec.name, "1", "human_approved", "false")
    assert "repaired, changed by hand" in tick([spec], "mlflow_mirror_sensor").skip_message
    assert str(client.get_model_version_by_alias(spec.name, "champion").version) == "1"
    assert tags(local_platform, spec.name, 1)["human_approved"] == "true"
    assert len(alerts(local_platform, spec.name, "mlflow_changed")) == 1
    assert "MLflow shows" in tick([spec], "mlflow_mirror_sensor").skip_message
    (approvals_folder / f"{spec.name}.yaml").unlink()


def test_a_champion_that_moved_while_mlflow_was_away_is_not_tampering(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = local_platform.model(gates=[{"metric_at_most": {"metric": "rmse", "limit": 2.0}}])
    assert local_platform.run_lifecycle(spec).success
    tick([spec], "mlflow_mirror_sensor")
    readings(noise=0.1).write_parquet(local_platform.file(spec.name))
    assert local_platform.run_lifecycle(spec).success
    assert local_platform.champion(spec) == 2
    tick([spec], "mlflow_mirror_sensor")

    ready = tick([spec], "rollback_check_sensor")
    assert [event.metadata["rollback_ready"].value for event in ready.asset_events] == [True]
    tried = last_check(local_platform.platform, spec.name)
    assert tried is not None
    assert (tried.version, tried.ready) == (1, True)
    assert "checked today" in tick([spec], "rollback_check_sensor").skip_message

    with monkeypatch.context() as away:
        away.setattr(
            type(local_platform.platform.registry),
            "mirror",
            lambda *_: (_ for _ in ()).throw(OSError("away")),
        )
        assert roll_back(local_platform.platform, spec.name, None, local_platform.run(), "spike").version == 1
    assert tags(local_platform, spec.name, 2)["promoted"] == "true"
    assert "changed by hand" not in tick([spec], "mlflow_mirror_sensor").skip_message
    assert tags(local_platform, spec.name, 2)["promoted"] == "false"
    assert alerts(local_platform, spec.name, "mlflow_changed") == []

    job, _ = reproduction([spec])
    assert job.execute_in_process(resources={"platform": PlatformResource()}).success
    body = local_platform.platform.ledger.get_record(f"{spec.name}/{RECORD}")
    assert body is not None
    proof = from_json(Reproduction, body)
    assert proof.verdict == "equal", proof.sentence


def test_the_graph_has_them(local_platform: LocalPlatform) -> None:
    definitions = build_definitions([local_platform.model()])
    names = {sensor.name for sensor in definitions.sensors or []}
    assert {"approval_file_sensor", "rollback_check_sensor", "mlflow_mirror_sensor"} <= names
    assert definitions.resolve_job_def("reproduce_champions").name == "reproduce_champions"

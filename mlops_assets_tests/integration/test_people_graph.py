"""People and the way back with real Dagster and MLflow: an approval file, the mirror, tampering, the drill sensor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg
import pytest

from mlops_assets.defs.approvals import people_sensors, reproduction
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.lifecycle.approvals.files import folder
from mlops_assets.lifecycle.recovery.reproduce import last_reproduction
from mlops_assets.lifecycle.recovery.rollback_check import last_drill
from mlops_assets.lifecycle.stages.promote import roll_back
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.living import GATES, World, readings

pytestmark = pytest.mark.slow


def tick(specs: Sequence[ModelSpec], name: str) -> Any:
    [sensor] = [one for one in people_sensors(specs) if one.name == name]
    context = dg.build_sensor_context(resources={"platform": PlatformResource()})
    return sensor.evaluate_tick(context)


def tags(world: World, model: str, version: int) -> dict[str, str]:
    found: Callable[[str], Any] = world.platform.registry.client.search_model_versions
    return next(one.tags for one in found(f"name = '{model}'") if one.tags["mlops.version"] == str(version))


def alerts(world: World, model: str, kind: str) -> list[str]:
    found = world.platform.ledger.alerts(model, open_only=True)
    return [one.message for one in found if one.kind == kind]


def test_an_approval_file_promotes_and_mlflow_shows_it_and_stays_true(world: World) -> None:
    spec = world.model(gates=[*GATES, "approval"])
    assert world.live(spec).success
    assert world.champion(spec) is None
    assert world.status(spec) == ["challenger"]
    assert len(alerts(world, spec.name, "approval")) == 1
    assert "human_approved" not in tags(world, spec.name, 1)

    evidence_hash = world.platform.ledger.evidence_of(spec.name, 1)[0].hash
    place = folder(world.settings)
    place.mkdir(exist_ok=True)
    (place / f"{spec.name}.yaml").write_text(
        f"evidence: {evidence_hash}\nverdict: approve\nby: ann\ncomment: fine\n"
    )
    assert "approved by ann: fine" in tick([spec], "approval_file_sensor").skip_message
    assert world.champion(spec) == 1
    assert alerts(world, spec.name, "approval") == []
    assert tags(world, spec.name, 1) | {"human_approved": "true", "promoted": "true"} == tags(
        world, spec.name, 1
    )
    assert tick([spec], "approval_file_sensor").skip_message == "no new answers"

    assert "MLflow shows" in tick([spec], "mlflow_mirror_sensor").skip_message
    client = world.platform.registry.client
    client.delete_registered_model_alias(spec.name, "champion")
    client.set_model_version_tag(spec.name, "1", "human_approved", "false")
    assert "repaired, changed by hand" in tick([spec], "mlflow_mirror_sensor").skip_message
    assert str(client.get_model_version_by_alias(spec.name, "champion").version) == "1"
    assert tags(world, spec.name, 1)["human_approved"] == "true"
    assert len(alerts(world, spec.name, "tampering")) == 1
    assert "MLflow shows" in tick([spec], "mlflow_mirror_sensor").skip_message
    (place / f"{spec.name}.yaml").unlink()


def test_a_champion_that_moved_while_mlflow_was_away_is_not_tampering(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = world.model(gates=[{"metric_at_most": {"metric": "rmse", "limit": 2.0}}])
    assert world.live(spec).success
    tick([spec], "mlflow_mirror_sensor")
    readings(noise=0.1).write_parquet(world.file(spec.name))
    assert world.live(spec).success
    assert world.champion(spec) == 2
    tick([spec], "mlflow_mirror_sensor")

    ready = tick([spec], "rollback_drill_sensor")
    assert [event.metadata["rollback_ready"].value for event in ready.asset_events] == [True]
    tried = last_drill(world.platform, spec.name)
    assert tried is not None
    assert (tried.version, tried.ready) == (1, True)
    assert "tried today" in tick([spec], "rollback_drill_sensor").skip_message

    with monkeypatch.context() as away:
        away.setattr(
            type(world.platform.registry), "mirror", lambda *_: (_ for _ in ()).throw(OSError("away"))
        )
        assert roll_back(world.platform, spec.name, None, world.run(), "spike").version == 1
    assert tags(world, spec.name, 2)["promoted"] == "true"
    assert "changed by hand" not in tick([spec], "mlflow_mirror_sensor").skip_message
    assert tags(world, spec.name, 2)["promoted"] == "false"
    assert alerts(world, spec.name, "tampering") == []

    job, _ = reproduction([spec])
    assert job.execute_in_process(resources={"platform": PlatformResource()}).success
    proof = last_reproduction(world.platform, spec.name)
    assert proof is not None
    assert proof.verdict == "equal", proof.words


def test_the_graph_has_them(world: World) -> None:
    definitions = build_definitions([world.model()])
    names = {sensor.name for sensor in definitions.sensors or []}
    assert {"approval_file_sensor", "rollback_drill_sensor", "mlflow_mirror_sensor"} <= names
    assert definitions.resolve_job_def("reproduce_champions").name == "reproduce_champions"

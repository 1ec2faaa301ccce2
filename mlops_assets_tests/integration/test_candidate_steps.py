"""Where there are workers, every candidate is a step of its own, that fails alone; the champion is the same.

Really carried out by Dagster's multiprocess executor, a process per step.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from mlops_assets import stages
from mlops_assets.artifacts import TrainedModel
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.resources import AS_OF_TAG
from mlops_assets.lifecycle.platform import known_record
from mlops_assets.lifecycle.stages import train, train_distributed
from mlops_assets.model_file import ModelSpec, load_models
from mlops_assets.settings import Settings
from mlops_assets_tests.local_platform import LocalPlatform, end_of
from mlops_assets_tests.synchronized_estimators import wait_for

# a process per step, each with its imports: minutes where others use the machine too
pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.timeout(1800)]

UPSTREAM = (stages.RAW_READINGS, stages.VALIDATED_DATA, stages.FEATURES)


def training_job() -> dg.JobDefinition:
    """What a step's process loads: the one model file of the environment, its training in steps."""
    folder = Settings.from_environment(os.environ).models
    [spec] = load_models(folder)
    with_steps = build_definitions([spec], retries=None, executor="multiprocess")
    key = dg.AssetKey([spec.name, stages.TRAINED_MODEL])
    job = dg.define_asset_job("training", selection=dg.AssetSelection.assets(key))
    return dg.Definitions.merge(with_steps, dg.Definitions(jobs=[job])).resolve_job_def("training")


def killed_job() -> dg.JobDefinition:
    """The same under a name of its own: Dagster remembers in a process what a name stood for."""
    return training_job()


def meeting(kind: str, folder: Path, name: str, *guests: str) -> dict[str, Any]:
    params = {"folder": str(folder), "name": name, "guests": list(guests)}
    return {"python": {"estimator": f"mlops_assets_tests.synchronized_estimators:{kind}", "params": params}}


@dataclass
class Done:
    """A run that ended, and what its steps said."""

    success: bool
    run_id: str
    succeeded: set[str]
    failed: dict[str, str]
    outputs: dict[str, dict[str, Any]]


def alone(
    local_platform: LocalPlatform, tmp_path: Path, spec: ModelSpec, monkeypatch: pytest.MonkeyPatch
) -> ModelSpec:
    """The model file in a folder of its own, with what it is trained on."""
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / f"{spec.name}.yaml").write_text(json.dumps(spec.model_dump(mode="json")))
    monkeypatch.setenv("MLOPS_MODELS", str(folder))
    [loaded] = load_models(folder)
    assert local_platform.alone(loaded, UPSTREAM).success
    return loaded


def train_in_steps(spec: ModelSpec, job: Callable[[], dg.JobDefinition] = training_job) -> Done:
    prefix = f"{spec.name}__{stages.TRAINED_MODEL}."
    with dg.DagsterInstance.get() as instance:
        tags = {AS_OF_TAG: end_of(400).isoformat()}
        with dg.execute_job(dg.reconstructable(job), instance, tags=tags) as result:
            events = result.all_events
            failed = {
                str(event.step_key).removeprefix(prefix): str(event.step_failure_data.error)
                for event in events
                if event.is_step_failure
            }
            outputs = {
                str(event.step_key).removeprefix(prefix): {
                    name: matches.value for name, matches in event.step_output_data.metadata.items()
                }
                for event in events
                if event.event_type_value == "STEP_OUTPUT"
            }
            done = {str(event.step_key).removeprefix(prefix) for event in events if event.is_step_success}
            return Done(result.success, result.run_id, done, failed, outputs)


def test_every_candidate_is_a_step_and_the_champion_is_the_same(
    local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = [
        {"ridge": {}},
        meeting("Synchronized", tmp_path, "first", "second"),
        meeting("Breaking", tmp_path, "second", "first"),
    ]
    requested = local_platform.model(training={"algorithms": candidates, "time_limit": "10m"})
    spec = alone(local_platform, tmp_path, requested, monkeypatch)
    done = train_in_steps(spec)
    assert (done.success, done.failed) == (True, {})
    assert done.succeeded == {"open", "ridge", "python", "python_2", "choose"}
    assert [done.outputs[name]["status"] for name in ("ridge", "python", "python_2")] == [
        "trained",
        "trained",
        "failed",
    ]
    assert "cannot learn from" in done.outputs["python_2"]["note"]
    # each waited for the other, in a step process of its own
    assert (tmp_path / "first").read_text() != (tmp_path / "second").read_text()

    made = known_record(local_platform.platform, spec, stages.TRAINED_MODEL, TrainedModel)
    assert made is not None
    assert [(one.algorithm, one.status) for one in made.candidates] == [
        ("ridge", "trained"),
        ("python", "trained"),
        ("python", "failed"),
    ]
    nested_below_one_training(local_platform, made, done.run_id)
    assert not list(local_platform.settings.model_root.glob(f"{spec.name}/{train_distributed.FITS}/*"))

    run = replace(local_platform.run("one-step"), code_commit=made.code_commit)
    same = train.train_model(spec, local_platform.platform, run)
    assert same is not None
    assert same.version == made.version + 1
    assert same.manifest_sha256 == made.manifest_sha256


def nested_below_one_training(local_platform: LocalPlatform, made: TrainedModel, dagster_run: str) -> None:
    client = local_platform.platform.registry.client
    training = client.get_run(made.mlflow_run_id)
    assert training.info.status == "FINISHED"
    parent = client.get_run(training.data.tags["mlflow.parentRunId"])
    assert parent.data.tags["dagster_run_id"] == dagster_run
    nested = [client.get_run(one.mlflow_run_id) for one in made.candidates]
    assert {one.data.tags["mlflow.parentRunId"] for one in nested} == {made.mlflow_run_id}
    assert [one.info.status for one in nested] == ["FINISHED", "FINISHED", "FAILED"]
    assert local_platform.platform.registry.reap(datetime.now(UTC), timedelta(days=2)) == ()


@pytest.mark.faults
def test_a_step_that_is_killed_leaves_nothing_half_done(
    local_platform: LocalPlatform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates = [{"ridge": {}}, meeting("Synchronized", tmp_path, "victim", "go")]
    requested = local_platform.model(training={"algorithms": candidates, "time_limit": "10m"})
    spec = alone(local_platform, tmp_path, requested, monkeypatch)

    def kill() -> None:
        wait_for(tmp_path / "victim")
        os.kill(int((tmp_path / "victim").read_text()), signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(kill)
        done = train_in_steps(spec, killed_job)
        killed.result()
    assert not done.success
    assert {"open", "ridge"} <= done.succeeded
    assert "choose" not in done.succeeded
    assert "python" in done.failed
    assert known_record(local_platform.platform, spec, stages.TRAINED_MODEL, TrainedModel) is None
    assert local_platform.status(spec) == []
    assert local_platform.platform.registry.close_parents(done.run_id, "FAILED") >= 1

    (tmp_path / "go").touch()
    again = train_in_steps(spec, killed_job)
    assert (again.success, again.failed) == (True, {})
    made = known_record(local_platform.platform, spec, stages.TRAINED_MODEL, TrainedModel)
    assert made is not None
    assert (made.version, made.algorithm) == (1, "ridge")

    # what the killed training left goes when nobody can want it any more
    [left] = local_platform.settings.model_root.glob(f"{spec.name}/{train_distributed.FITS}/*")
    later = datetime.now(UTC) + timedelta(days=3)
    assert train_distributed.sweep(local_platform.settings.model_root, later, timedelta(days=2)) == 1
    assert not left.exists()

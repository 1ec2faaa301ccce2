"""A training in steps, carried out in this process: skipped, refused and shown as the training in one step is."""

from __future__ import annotations

from typing import Any

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import TrainedModel
from mlops_assets.defs.automation import LIFECYCLE_JOB, keys
from mlops_assets.defs.failures import sentences
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.resources import AS_OF_TAG, REUSE_TAG
from mlops_assets.lifecycle.platform import known_record
from mlops_assets.lifecycle.stages.train_distributed import FITS
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.defs.test_staleness import data_versions, stale
from mlops_assets_tests.local_platform import LocalPlatform, end_of

BROKEN = {"python": {"estimator": "mlops_assets_tests.synchronized_estimators:Breaking"}}


def run_lifecycle(spec: ModelSpec) -> dg.ExecuteInProcessResult:
    """A whole life, its training in steps."""
    job = build_definitions([spec], retries=None, executor="multiprocess").resolve_job_def(spec.name)
    tags = {AS_OF_TAG: end_of(400).isoformat(), REUSE_TAG: "true"}
    with dg.DagsterInstance.get() as instance:
        return job.execute_in_process(
            instance=instance, tags=tags, asset_selection=keys(spec, LIFECYCLE_JOB), raise_on_error=False
        )


def steps_that(result: dg.ExecuteInProcessResult, event: dg.DagsterEventType) -> set[str]:
    """Names of the steps of the training with such an event."""
    keys = {str(one.step_key) for one in result.all_events if one.event_type == event}
    return {key.partition(".")[2] for key in keys if f"__{stages.TRAINED_MODEL}." in key}


def limited(*algorithms: Any) -> dict[str, Any]:
    return {"training": {"algorithms": list(algorithms), "time_limit": "5m"}}


def test_a_life_in_steps_is_fresh_and_not_lived_twice(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(**limited({"ridge": {}}, {"ridge": {"alpha": 5.0}}, BROKEN))
    first = run_lifecycle(spec)
    assert first.success
    assert steps_that(first, dg.DagsterEventType.STEP_SUCCESS) == {
        "open",
        "ridge",
        "ridge_2",
        "python",
        "choose",
    }
    assert local_platform.status(spec) == ["champion"]
    assert set(stale(spec).values()) == {"FRESH"}
    [made] = first.asset_materializations_for_node(f"{spec.name}__{stages.TRAINED_MODEL}.choose")
    table = made.metadata["candidates"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [row.data["status"] for row in table.records] == ["trained", "trained", "failed"]
    before = data_versions(spec)

    second = run_lifecycle(spec)
    assert second.success
    assert steps_that(second, dg.DagsterEventType.STEP_SKIPPED) == {"ridge", "ridge_2", "python", "choose"}
    assert local_platform.status(spec) == ["champion"]
    assert data_versions(spec) == before

    # the other form says the same of the same data and model file
    assert local_platform.run_lifecycle(spec, reuse=False).success
    assert data_versions(spec)[stages.TRAINED_MODEL] == before[stages.TRAINED_MODEL]
    assert local_platform.status(spec) == ["champion", "archived"]


def test_when_no_candidate_can_be_used_the_last_step_says_why(local_platform: LocalPlatform) -> None:
    spec = local_platform.model(**limited(BROKEN))
    result = run_lifecycle(spec)
    assert not result.success
    [(step, sentence)] = sentences(result.all_events)
    assert step == f"{stages.TRAINED_MODEL}.choose"
    assert "no candidate can be used: python failed: " in sentence
    assert "cannot learn from" in sentence
    assert known_record(local_platform.platform, spec, stages.TRAINED_MODEL, TrainedModel) is None
    assert local_platform.status(spec) == []
    assert not list(local_platform.settings.model_root.glob(f"{spec.name}/{FITS}/*/python"))

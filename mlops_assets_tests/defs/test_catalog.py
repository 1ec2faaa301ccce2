"""What assets state about themselves: kinds, search tags, the model file, and when they count as late."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import stages
from mlops_assets.defs import catalog
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.model_file import load_model

MODELS = Path(__file__).parents[2] / "models"
PUMP = load_model(MODELS / "pump_efficiency.yaml")


@pytest.mark.parametrize(
    ("cron", "interval"),
    [
        ("*/30 * * * *", timedelta(minutes=30)),
        ("0 2 * * 0", timedelta(days=7)),
        ("0 9,17 * * *", timedelta(hours=16)),
        ("30 0 1 * *", timedelta(days=31)),
        ("0 0 29 2 *", timedelta(days=2921)),
    ],
)
def test_the_longest_interval_decides_when_an_asset_is_late(cron: str, interval: timedelta) -> None:
    assert catalog.longest_interval(cron) == interval


def test_only_assets_with_a_schedule_of_their_own_can_be_late() -> None:
    schedules = PUMP.schedules.model_copy(update={"predictions": "0 * * * *", "drift": None})
    spec = PUMP.model_copy(update={"schedules": schedules})
    policy = catalog.freshness_of(spec, stages.PREDICTIONS)
    assert policy == dg.FreshnessPolicy.time_window(
        fail_window=timedelta(hours=2, minutes=30), warn_window=timedelta(hours=1, minutes=30)
    )
    assert catalog.freshness_of(spec, stages.DRIFT_REPORT) is None
    assert catalog.freshness_of(spec, stages.FEATURES) is None


def test_every_asset_of_a_model_names_its_file_problem_and_libraries() -> None:
    file = MODELS / "pump_efficiency.yaml"
    graph = build_definitions([PUMP], files={PUMP.name: file}).resolve_asset_graph()
    trained = graph.get(dg.AssetKey([PUMP.name, stages.TRAINED_MODEL]))
    references = trained.metadata["dagster/code_references"]
    assert isinstance(references, dg.CodeReferencesMetadataValue)
    assert [
        one.file_path for one in references.code_references if isinstance(one, dg.LocalFileCodeReference)
    ] == [str(file)]
    algorithms = [choice.name for choice in PUMP.training.algorithms]
    assert trained.tags["mlops/problem"] == PUMP.problem
    assert {f"mlops/algorithm.{name}" for name in algorithms} <= set(trained.tags)
    assert "mlflow" in trained.kinds
    assert len(trained.kinds) <= catalog.MOST_KINDS
    readings = graph.get(dg.AssetKey([PUMP.name, stages.RAW_READINGS]))
    assert readings.kinds == {PUMP.source.kind, "deltalake"}


def test_the_jobs_and_schedules_that_run_an_asset_are_its_models_own() -> None:
    other = PUMP.model_copy(update={"name": "other_pumps"})
    repository = build_definitions([PUMP, other]).get_repository_def()
    for spec in (PUMP, other):
        key = dg.AssetKey([spec.name, stages.EVALUATION_REPORT])
        running = {
            job.name
            for job in repository.get_all_jobs()
            if not job.name.startswith("__") and key in job.asset_layer.executable_asset_keys
        }
        assert running == {spec.name}
    jobs = {schedule.name: schedule.job_name for schedule in repository.schedule_defs}
    assert jobs[f"{PUMP.name}_retrain"] == PUMP.name
    assert jobs["other_pumps_retrain"] == "other_pumps"

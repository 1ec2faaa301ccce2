"""What wakes the graph: drift and staleness ask for a retrain, a failed run raises one alert, MLflow runs are closed.

Every retrain request passes the governor and is recorded under a unique key in the ledger before anything is launched:
a lost cursor, a second daemon or a repeated tick finds the key taken and asks for nothing.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg

from mlops_assets import stages
from mlops_assets.defs.approvals import approval_file_sensor
from mlops_assets.defs.automation import LIFECYCLE_JOB, RetrainJobs, model_of, request
from mlops_assets.defs.failures import failure_reasons
from mlops_assets.defs.housekeeping import housekeeping
from mlops_assets.defs.recovery import mlflow_mirror_sensor, rollback_check_sensor
from mlops_assets.defs.resources import MODEL_TAG, REQUEST_TAG, PlatformResource
from mlops_assets.defs.sensor_runs import for_each_model, sensor_run
from mlops_assets.lifecycle import alerts
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.stages import monitor
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining import RetrainRequest, Trigger

FindTriggers = Callable[[ModelSpec, Platform, datetime], list[Trigger]]


def sensors(specs: Sequence[ModelSpec], retrain_jobs: RetrainJobs) -> list[dg.SensorDefinition]:
    """Return every sensor: retrain triggers, alerts, ends of runs, housekeeping, approvals and recovery checks.

    Args:
        specs: The models.
        retrain_jobs: The job of each model that a retrain request runs.

    Returns:
        The sensors of all models.
    """
    return [
        _retrain_sensor(
            "drift_sensor",
            "Asks for a retrain when the drift report shows significant movement.",
            specs,
            retrain_jobs,
            monitor.drift_triggers,
        ),
        _retrain_sensor(
            "staleness_sensor",
            "Asks for a retrain when a champion has not been compared with a challenger for too long.",
            specs,
            retrain_jobs,
            monitor.staleness_triggers,
        ),
        _failed_run_alert(specs),
        *(_mlflow_run_sensor(status, mlflow_status) for status, mlflow_status in MLFLOW_STATUSES.items()),
        housekeeping(specs, retrain_jobs),
        approval_file_sensor(specs),
        rollback_check_sensor(specs),
        mlflow_mirror_sensor(specs),
    ]


def _retrain_sensor(
    name: str, description: str, specs: Sequence[ModelSpec], retrain_jobs: RetrainJobs, find: FindTriggers
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        description=description,
        jobs=retrain_jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def ask(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        requests: list[tuple[ModelSpec, RetrainRequest]] = []

        def turn(spec: ModelSpec, platform: Platform, _: Run) -> None:
            retrain = monitor.ask_for_retrain(spec, platform, find(spec, platform, now), now)
            if retrain:
                requests.append((spec, retrain))

        problems = for_each_model(specs, platform.open(), sensor_run(context.log.info), turn)
        if not requests:
            return dg.SkipReason("; ".join(problems) or "nothing has moved, or it was requested already")
        return dg.SensorResult(
            run_requests=[
                request(spec, LIFECYCLE_JOB, now.isoformat(), retrain.key) for spec, retrain in requests
            ],
            asset_events=[_marker(spec, retrain) for spec, retrain in requests],
        )

    return ask


def _marker(spec: ModelSpec, retrain: RetrainRequest) -> dg.AssetMaterialization:
    """Return a new version of the retrain_request asset: everything that trains from it becomes out of date."""
    return dg.AssetMaterialization(
        dg.AssetKey([spec.name, stages.RETRAIN_REQUEST]),
        description=retrain.reason,
        metadata={"reason": retrain.reason, "key": retrain.key},
        tags={"dagster/data_version": retrain.key},
    )


def _failed_run_alert(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    by_name = {spec.name: spec for spec in specs}

    @dg.run_failure_sensor(
        name="failed_run_alert",
        description="Raises one alert per failed run, in the ledger and wherever the model file sends alerts.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
    )
    def alert(context: dg.RunFailureSensorContext, platform: PlatformResource) -> None:
        run = context.dagster_run
        alerts.alert_failed_run(
            platform.open(),
            run.root_run_id or run.run_id,
            by_name.get(model_of(run) or ""),
            failure_reasons(context.instance, run),
            datetime.now(UTC),
        )

    return alert


MLFLOW_STATUSES = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}


def _mlflow_run_sensor(status: dg.DagsterRunStatus, mlflow_status: str) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"end_mlflow_run_{status.value.lower()}",
        run_status=status,
        description=f"Ends a run's MLflow run as {mlflow_status}, and the retrain request it was made for.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
    )
    def end_mlflow_run(context: dg.RunStatusSensorContext, platform: PlatformResource) -> dg.SkipReason:
        run, opened = context.dagster_run, platform.open()
        closed = opened.registry.close_parents(run.run_id, mlflow_status)
        if REQUEST_TAG in run.tags and MODEL_TAG in run.tags:
            monitor.finish_request(
                opened,
                run.tags[MODEL_TAG],
                run.tags[REQUEST_TAG],
                succeeded=status == dg.DagsterRunStatus.SUCCESS,
                now=datetime.now(UTC),
                run_id=run.run_id,
            )
        return dg.SkipReason(f"ended {closed} MLflow runs")

    return end_mlflow_run

"""What wakes the graph: the retrain governor, alerts of failed runs, the ends of MLflow runs.

Every retrain request passes the governor and is recorded under a unique key in the ledger before anything is launched:
a lost cursor, a second daemon or a repeated tick finds the key taken and asks for nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from mlops_assets import stages
from mlops_assets.defs.alert_sweep import alert_sweep_sensor
from mlops_assets.defs.approvals import approval_file_sensor
from mlops_assets.defs.automation import (
    LIFECYCLE_JOB,
    ModelJobs,
    model_of,
    request,
    revalidation,
    will_retry,
)
from mlops_assets.defs.failures import failure_reasons
from mlops_assets.defs.housekeeping import housekeeping
from mlops_assets.defs.platform_health import health_sensor
from mlops_assets.defs.recovery import mlflow_mirror_sensor, rollback_check_sensor
from mlops_assets.defs.resources import MODEL_TAG, REQUEST_TAG, PlatformResource
from mlops_assets.defs.rollouts import rollout_sensor
from mlops_assets.defs.sensor_runs import for_each_model, sensor_run
from mlops_assets.lifecycle import alerts, governing
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.markdown_text import plain_markdown
from mlops_assets.retraining import RetrainRequest, signal_key


def sensors(
    specs: Sequence[ModelSpec], jobs: ModelJobs, *, governing_runs: bool = True
) -> list[dg.SensorDefinition]:
    """Return every sensor: governor, alerts, ends of runs, housekeeping, approvals, recovery, health, sweep.

    Args:
        specs: The models.
        jobs: The job of each model, which requests of sensors run.
        governing_runs: Whether the retrain governor starts switched on.

    Returns:
        The sensors of all models.
    """
    return [
        _retrain_governor(specs, jobs, governing_runs),
        _failed_run_alert(specs),
        *(_mlflow_run_sensor(status, mlflow_status) for status, mlflow_status in MLFLOW_STATUSES.items()),
        housekeeping(specs, jobs),
        approval_file_sensor(specs),
        rollback_check_sensor(specs),
        mlflow_mirror_sensor(specs),
        health_sensor(),
        alert_sweep_sensor(specs),
        rollout_sensor(specs),
    ]


def _retrain_governor(specs: Sequence[ModelSpec], jobs: ModelJobs, running: bool) -> dg.SensorDefinition:
    """Return the sensor that decides about every model, and launches what the governor grants."""

    @dg.sensor(
        name="retrain_governor",
        description="Decides for every model whether its signals lead to a retrain now; `mlops why MODEL` shows why.",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING if running else dg.DefaultSensorStatus.STOPPED,
    )
    def decide(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        now, opened = datetime.now(UTC), platform.open()
        by_model = {one.spec.name: one for one in governing.situations(opened, specs, now)}
        requests: list[dg.RunRequest] = []
        markers: list[dg.AssetMaterialization] = []

        def turn(spec: ModelSpec, platform: Platform, _: Run) -> None:
            ruling = governing.decide(by_model[spec.name], platform, now)
            if ruling.request is not None:
                requests.append(request(spec, LIFECYCLE_JOB, now.isoformat(), ruling.request.key))
                markers.append(_marker(spec, ruling.request))
            elif ruling.revalidations:
                requests.append(revalidation(spec, now.isoformat(), signal_key(ruling.revalidations[0])))

        problems = for_each_model(specs, opened, sensor_run(context.log.info), turn)
        if not requests:
            return dg.SkipReason("; ".join(problems) or "no signal leads to a retrain now")
        return dg.SensorResult(run_requests=requests, asset_events=markers)

    return decide


def _marker(spec: ModelSpec, retrain: RetrainRequest) -> dg.AssetMaterialization:
    """Return a new version of the retrain_request asset: everything that trains from it becomes out of date."""
    return dg.AssetMaterialization(
        dg.AssetKey([spec.name, stages.RETRAIN_REQUEST]),
        description=plain_markdown(retrain.reason),
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
        if REQUEST_TAG in run.tags and MODEL_TAG in run.tags and not will_retry(run):
            governing.finish_request(
                opened,
                run.tags[MODEL_TAG],
                run.tags[REQUEST_TAG],
                succeeded=status == dg.DagsterRunStatus.SUCCESS,
                now=datetime.now(UTC),
                run_id=run.root_run_id or run.run_id,
            )
        return dg.SkipReason(f"ended {closed} MLflow runs")

    return end_mlflow_run

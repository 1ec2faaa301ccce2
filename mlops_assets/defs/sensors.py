"""What wakes the graph: drift and staleness ask for a retrain, a failed run raises one alert, MLflow runs are closed.

Every retrain request passes the governor and is recorded under a unique key in the ledger before anything is launched:
a lost cursor, a second daemon or a repeated tick finds the key taken and asks for nothing.
"""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import dagster as dg

from mlops_assets import stages
from mlops_assets.defs.automation import LIFECYCLE_JOB, request
from mlops_assets.defs.resources import MODEL_TAG, PlatformResource
from mlops_assets.lifecycle import watch
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.retraining import RetrainRequest, Trigger
from mlops_assets.spec import ModelSpec

Find = Callable[[ModelSpec, Platform, datetime], list[Trigger]]


def sensors(specs: Sequence[ModelSpec]) -> list[dg.SensorDefinition]:
    """Two retrain sensors over all models, the alert sensor, and the one that closes MLflow runs."""
    return [
        _retrain_sensor(
            "drift_sensor",
            "Asks for a retrain when the drift report shows significant movement.",
            specs,
            watch.drift_triggers,
        ),
        _retrain_sensor(
            "staleness_sensor",
            "Asks for a retrain when a champion has not been compared with a challenger for too long.",
            specs,
            watch.staleness_triggers,
        ),
        failed_run_alert,
        close_mlflow_runs_of_failures,
        close_mlflow_runs_of_cancellations,
        close_mlflow_runs_of_successes,
    ]


def _retrain_sensor(
    name: str, description: str, specs: Sequence[ModelSpec], find: Find
) -> dg.SensorDefinition:
    @dg.sensor(
        name=name,
        description=description,
        job_name=LIFECYCLE_JOB,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def ask(platform: PlatformResource) -> dg.SensorResult | dg.SkipReason:
        now = datetime.now(UTC)
        opened = platform.open()
        asked = [
            (spec, made)
            for spec in specs
            if (made := watch.ask_for_retrain(spec, opened, find(spec, opened, now), now))
        ]
        if not asked:
            return dg.SkipReason("nothing has moved, or it was asked for already")
        return dg.SensorResult(
            run_requests=[request(spec, LIFECYCLE_JOB, now.isoformat(), made.key) for spec, made in asked],
            asset_events=[_marker(spec, made) for spec, made in asked],
        )

    return ask


def _marker(spec: ModelSpec, made: RetrainRequest) -> dg.AssetMaterialization:
    """A new version of the retrain_request asset: everything that trains from it shows as out of date."""
    return dg.AssetMaterialization(
        dg.AssetKey([spec.name, stages.RETRAIN_REQUEST]),
        description=made.reason,
        metadata={"reason": made.reason, "key": made.key},
        tags={"dagster/data_version": made.key},
    )


@dg.run_failure_sensor(
    name="failed_run_alert",
    description="Raises one alert per failed run, in the ledger and wherever the model file sends alerts.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=10,
)
def failed_run_alert(context: dg.RunFailureSensorContext, platform: PlatformResource) -> None:
    """One alert per failed run, whatever the number of ticks or daemons."""
    run = context.dagster_run
    reasons = [
        event.step_failure_data.error.message
        for event in context.get_step_failure_events()
        if event.step_failure_data.error
    ]
    watch.alert_failed_run(
        platform.open(),
        run.root_run_id or run.run_id,
        run.tags.get(MODEL_TAG),
        reasons or [context.failure_event.message or "failed"],
        datetime.now(UTC),
    )


def _closer(status: dg.DagsterRunStatus, mlflow_status: str) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"close_mlflow_runs_{status.value.lower()}",
        run_status=status,
        description=f"Ends the MLflow run of a Dagster run as {mlflow_status}, so that none stays RUNNING.",
        default_status=dg.DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=10,
    )
    def close(context: dg.RunStatusSensorContext, platform: PlatformResource) -> Iterator[dg.SkipReason]:
        closed = platform.open().registry.close_parents(context.dagster_run.run_id, mlflow_status)
        yield dg.SkipReason(f"ended {closed} MLflow runs")

    return close


close_mlflow_runs_of_successes = _closer(dg.DagsterRunStatus.SUCCESS, "FINISHED")
close_mlflow_runs_of_failures = _closer(dg.DagsterRunStatus.FAILURE, "FAILED")
close_mlflow_runs_of_cancellations = _closer(dg.DagsterRunStatus.CANCELED, "KILLED")

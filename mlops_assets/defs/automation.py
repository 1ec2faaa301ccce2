"""When the graph runs by itself: each model's job, and the schedules of its model file.

One job holds every asset of one model, so that Dagster lists with an asset the schedules of its model and separates
models on its timeline; a run request selects the assets of its purpose. A job per purpose would be four per model, and
Dagster goes through all assets for each job. Schedules are tied to the model file's time zone, so that 02:00 stays
02:00 across clock changes.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import Signal
from mlops_assets.defs.placement import run_tags
from mlops_assets.defs.resources import AS_OF_TAG, MODEL_TAG, REQUEST_TAG
from mlops_assets.lifecycle import governing
from mlops_assets.model_file import ModelSpec

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

ModelJobs = Sequence["UnresolvedAssetJobDefinition"]

LIFECYCLE_JOB = "lifecycle"
DATA_QUALITY_JOB = "data_quality"
DRIFT_JOB = "drift"
WILL_RETRY_TAG = "dagster/will_retry"
PREDICTIONS_JOB = "predictions"

JOBS = {
    LIFECYCLE_JOB: stages.STAGES,
    DATA_QUALITY_JOB: (stages.RAW_READINGS, stages.VALIDATED_DATA, stages.DATA_QUALITY_REPORT),
    DRIFT_JOB: (
        stages.RAW_READINGS,
        stages.VALIDATED_DATA,
        stages.DRIFT_REPORT,
        stages.IMPORTANCE_REPORT,
        stages.PERFORMANCE_REPORT,
        stages.MODEL_HEALTH,
        stages.MONITORING_REPORT,
    ),
    PREDICTIONS_JOB: (stages.RAW_READINGS, stages.VALIDATED_DATA, stages.FEATURES, stages.PREDICTIONS),
}
DESCRIPTIONS = {
    LIFECYCLE_JOB: "A model's whole lifecycle once: readings to predictions, with every check and gate.",
    DATA_QUALITY_JOB: "Readings fetched and validated, with Great Expectations' pages; nothing trained.",
    DRIFT_JOB: "The newest readings against the champion's training data, predictions against labels, its health.",
    PREDICTIONS_JOB: "The champion's predictions for new readings, nothing trained.",
}


def keys(spec: ModelSpec, job: str) -> list[dg.AssetKey]:
    """Return the assets of one model that a run for one purpose materializes.

    Args:
        spec: The model file.
        job: The purpose, a key of `JOBS`.

    Returns:
        Keys in the order of the stages.
    """
    return [dg.AssetKey([spec.name, stage]) for stage in JOBS[job]]


def job_of(spec: ModelSpec) -> "UnresolvedAssetJobDefinition":
    """Return the job of one model, named like the model, over every asset that any purpose materializes.

    Args:
        spec: The model.

    Returns:
        The job, resolved by Dagster with the assets.
    """
    every = dict.fromkeys(key for purpose in JOBS for key in keys(spec, purpose))
    return dg.define_asset_job(
        spec.name,
        selection=dg.AssetSelection.assets(*every),
        description=f"Everything of {spec.name}: one whole lifecycle, with its reports.",
        tags={MODEL_TAG: spec.name, **run_tags(spec)},
    )


def schedules(spec: ModelSpec, *, running: bool = True) -> Iterator[dg.ScheduleDefinition]:
    """Yield the schedules that the model file declares.

    Args:
        spec: The model file.
        running: Whether they start switched on; a person's switch in Dagster outlives a restart.

    Yields:
        One schedule per cron line.
    """
    lines = {
        LIFECYCLE_JOB: ("retrain", spec.schedules.retrain),
        DATA_QUALITY_JOB: ("data_quality", spec.schedules.data_quality),
        DRIFT_JOB: ("drift", spec.schedules.drift),
        PREDICTIONS_JOB: ("predictions", spec.schedules.predictions),
    }
    for job, (name, cron) in lines.items():
        if cron is not None:
            status = dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED
            if job == LIFECYCLE_JOB:
                yield _retrain_schedule(spec, cron, status)
            else:
                yield _schedule(spec, job, name, cron, status)


def request(spec: ModelSpec, job: str, as_of: str, key: str | None = None) -> dg.RunRequest:
    """Request one run of a model's job.

    Args:
        spec: The model.
        job: A name in JOBS.
        as_of: The instant at which the run reads the world.
        key: Key of the retrain request the run is for.

    Returns:
        The request, with its run key and tags.
    """
    tags = {AS_OF_TAG: as_of, MODEL_TAG: spec.name, **run_tags(spec)}
    return dg.RunRequest(
        run_key=f"{spec.name}/{key}" if key else None,
        job_name=spec.name,
        asset_selection=keys(spec, job),
        tags=tags | ({REQUEST_TAG: key} if key else {}),
    )


def revalidation(spec: ModelSpec, as_of: str, key: str) -> dg.RunRequest:
    """Request a validation of a model's readings, once for each signal.

    Args:
        spec: The model.
        as_of: The instant at which the run reads the world.
        key: Key of the signal.

    Returns:
        The request; its run key makes it run once.
    """
    return request(spec, DATA_QUALITY_JOB, as_of)._replace(run_key=f"{spec.name}/revalidate/{key}")


def will_retry(run: dg.DagsterRun) -> bool:
    """Return whether Dagster launches a failed run again.

    Args:
        run: The failed run.

    Returns:
        True when Dagster has tagged the run for a retry.
    """
    return run.tags.get(WILL_RETRY_TAG) == "true"


def _schedule(
    spec: ModelSpec, job: str, name: str, cron: str, status: dg.DefaultScheduleStatus
) -> dg.ScheduleDefinition:
    def requested(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return request(spec, job, context.scheduled_execution_time.isoformat())

    return dg.ScheduleDefinition(
        name=f"{spec.name}_{name}",
        job_name=spec.name,
        cron_schedule=cron,
        execution_timezone=spec.schedules.timezone,
        execution_fn=requested,
        default_status=status,
        description=f"{DESCRIPTIONS[job]} For {spec.name}.",
    )


def _retrain_schedule(spec: ModelSpec, cron: str, status: dg.DefaultScheduleStatus) -> dg.ScheduleDefinition:
    """Return the schedule that asks the retrain governor, which may grant it, or delay it with a reason."""

    def ask(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at = context.scheduled_execution_time
        signal = Signal(
            spec.name, "schedule", at, active=True, reason=f"schedule: {cron} at {at:%Y-%m-%d %H:%M}"
        )
        ruling = governing.request_retrain(
            spec, context.resources.platform.open(), signal, max(at, datetime.now(UTC))
        )
        if ruling.request is None:
            return dg.SkipReason(f"{ruling.verdict}: {ruling.reason}")
        return request(spec, LIFECYCLE_JOB, at.isoformat(), ruling.request.key)

    return dg.ScheduleDefinition(
        name=f"{spec.name}_retrain",
        job_name=spec.name,
        cron_schedule=cron,
        execution_timezone=spec.schedules.timezone,
        execution_fn=ask,
        required_resource_keys={"platform"},
        default_status=status,
        description=f"{DESCRIPTIONS[LIFECYCLE_JOB]} For {spec.name}.",
    )


def model_of(run: dg.DagsterRun) -> str | None:
    """Return the model of a run: by its tag, else by its assets (a run launched in the UI has no tag).

    Args:
        run: Dagster's run.

    Returns:
        Name of the model; None for none or several.
    """
    if MODEL_TAG in run.tags:
        return run.tags[MODEL_TAG]
    models = {key.path[0] for key in run.asset_selection or ()}
    return models.pop() if len(models) == 1 else None

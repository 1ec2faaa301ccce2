"""The probe as a job with an hourly schedule: its run comes through the daemon and the queue like any other."""

from datetime import UTC, datetime
from functools import partial

import dagster as dg

from mlops_assets import key_files
from mlops_assets.defs.resources import AS_OF_TAG, PlatformResource, run_of
from mlops_assets.lifecycle.platform import Platform

API_URL = "MLOPS_API_URL"
"""Environment variable with the address of the prediction API; unset leaves that step out."""


def probe_job() -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """Return the job and its schedule, which starts switched on.

    Returns:
        Both.
    """

    @dg.op(required_resource_keys={"platform"})
    def probe(context: dg.OpExecutionContext) -> None:
        from mlops_assets.operations.probe import probe as carry_out
        from mlops_assets.operations.probe_api import ask_api

        platform: Platform = context.resources.platform.open()
        requested = context.run.tags.get(AS_OF_TAG)
        waited = None
        if requested is not None:
            waited = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(requested)).total_seconds())
        url = platform.settings.environ.get(API_URL)
        ask = partial(ask_api, url, key_files.read_key(platform.settings, key_files.API)) if url else None
        record = carry_out(platform, run_of(context, None), ask, waited)
        if record.problem:  # the run did its work: the alert and the metric say what failed
            context.log.error(record.problem)
        context.add_output_metadata(
            {
                "problem": record.problem or "none",
                **{name: round(one, 3) for name, one in record.seconds.items()},
            }
        )

    @dg.job(
        name="probe",
        resource_defs={"platform": PlatformResource()},
        description="A tiny model through stores, MLflow and the API.",
    )
    def job() -> None:
        probe()

    def requested(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
        return dg.RunRequest(tags={AS_OF_TAG: context.scheduled_execution_time.isoformat()})

    schedule = dg.ScheduleDefinition(
        name="probe_hourly",
        job=job,
        cron_schedule="17 * * * *",
        execution_fn=requested,
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Shows every hour that the platform works.",
    )
    return job, schedule

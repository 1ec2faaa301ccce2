"""What puts the records right after something was killed: runs that nobody runs, requests never launched.

Every minute as a sensor, and at the start of each `mlops run`, which has no daemon to wait for. Each step looks at
what is recorded and mends what contradicts it, so that doing it twice does nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from mlops_assets.defs.automation import LIFECYCLE_JOB, RetrainJobs, model_of, request, will_retry
from mlops_assets.defs.failures import failure_reasons
from mlops_assets.defs.processes import PROCESS_TAG, is_gone
from mlops_assets.defs.resources import MODEL_TAG, REQUEST_TAG, PlatformResource
from mlops_assets.lifecycle import alerts, governing
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.recovery import bundles
from mlops_assets.lifecycle.stages import train_distributed
from mlops_assets.model_file import ModelSpec

LONGEST_RUN = timedelta(days=2)
"""An MLflow run of another machine that says RUNNING for so long is taken for lost."""
LAUNCH_WITHIN = timedelta(minutes=10)
"""A retrain request without a run for so long was lost between the ledger and Dagster, and is launched again."""
FAILURES_WITHIN = timedelta(days=1)
"""Failed runs so old are looked at for an alert that was never recorded."""
FAILURE_SENSOR_WITHIN = timedelta(minutes=2)
"""How long the sensor of failed runs has to send its alert."""
MOST_FAILURES = 200
GOING = (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING)


def housekeeping(specs: Sequence[ModelSpec], retrain_jobs: RetrainJobs) -> dg.SensorDefinition:
    """Return the sensor that ends lost runs and launches lost retrain requests.

    Args:
        specs: The models.
        retrain_jobs: The job of each model that a retrain request runs.

    Returns:
        The sensor, which evaluates every 60 seconds.
    """

    @dg.sensor(
        name="housekeeping",
        description="Ends runs whose process is gone, in Dagster and MLflow, and closes retrain requests.",
        jobs=retrain_jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def keep(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        opened, now = platform.open(), datetime.now(UTC)
        ended = end_lost_runs(specs, opened, context.instance, now)
        report_missed_failures(specs, opened, context.instance, now)
        alerts.deliver_pending(opened, specs, now)
        again = close_requests(specs, opened, context.instance, now)
        if again:
            return dg.SensorResult(run_requests=again)
        return dg.SkipReason(f"ended {ended} lost runs" if ended else "everything is in order")

    return keep


def end_lost_runs(
    specs: Sequence[ModelSpec], platform: Platform, instance: dg.DagsterInstance, now: datetime
) -> int:
    """Fail runs whose process is gone; such a run would occupy its model's slot in the queue permanently.

    Also closes the MLflow runs below them, alerts once, and removes fitted models that no run needs.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        instance: Dagster's instance.
        now: Present time, with a zone.

    Returns:
        How many runs there were.
    """
    by_name = {spec.name: spec for spec in specs}
    ended = 0
    for run in instance.get_runs(dg.RunsFilter(statuses=list(GOING))):
        if is_gone(run.tags.get(PROCESS_TAG, ""), run.run_id):
            reason = "its process ended without saying so (killed, or the machine restarted)"
            instance.report_run_failed(run, reason)
            platform.registry.close_parents(run.run_id, "FAILED")
            spec = by_name.get(run.tags.get(MODEL_TAG, ""))
            alerts.alert_failed_run(platform, run.root_run_id or run.run_id, spec, [reason], now)
            ended += 1
    train_distributed.sweep(platform.settings.model_root, now, LONGEST_RUN)
    bundles.sweep_unfinished(platform, now, LONGEST_RUN)
    return ended + len(platform.registry.reap(now, LONGEST_RUN))


def report_missed_failures(
    specs: Sequence[ModelSpec], platform: Platform, instance: dg.DagsterInstance, now: datetime
) -> int:
    """Send the alert of every failed run of the last day that has none.

    The sensor of failed runs moves its cursor on when it fails itself: these are the runs that it missed.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        instance: Dagster's instance.
        now: Present time, with a zone.

    Returns:
        How many runs there were.
    """
    by_name = {spec.name: spec for spec in specs}
    recent = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=now - FAILURES_WITHIN)
    failed = {
        run.root_run_id or run.run_id: run
        for record in instance.get_run_records(recent, limit=MOST_FAILURES)
        if now - record.update_timestamp > FAILURE_SENSOR_WITHIN
        for run in (record.dagster_run,)
    }
    missed = alerts.without_alert(platform, list(failed)) if failed else ()
    for run_id in missed:
        alerts.alert_failed_run(
            platform,
            run_id,
            by_name.get(model_of(failed[run_id]) or ""),
            failure_reasons(instance, failed[run_id]),
            now,
        )
    return len(missed)


def close_requests(
    specs: Sequence[ModelSpec], platform: Platform, instance: dg.DagsterInstance, now: datetime
) -> list[dg.RunRequest]:
    """Close retrain requests whose run has ended.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        instance: Dagster's instance.
        now: Present time, with a zone.

    Returns:
        Run requests for those that never got a run, under the same key.
    """
    again = []
    by_name = {spec.name: spec for spec in specs}
    for pending in platform.ledger.open_requests():
        spec = by_name.get(pending.model)
        if spec is None:
            continue
        mine = dg.RunsFilter(tags={REQUEST_TAG: pending.key, MODEL_TAG: spec.name})
        runs = [
            run
            for run in instance.get_runs(mine)
            if pending.run_id is None or pending.run_id == (run.root_run_id or run.run_id)
        ]
        if not runs:
            if now - pending.requested_at > LAUNCH_WITHIN:
                again.append(request(spec, LIFECYCLE_JOB, now.isoformat(), pending.key))
        elif runs[0].is_finished and not will_retry(runs[0]):
            governing.finish_request(
                platform,
                spec.name,
                pending.key,
                succeeded=runs[0].is_success,
                now=now,
                run_id=runs[0].root_run_id or runs[0].run_id,
            )
    return again

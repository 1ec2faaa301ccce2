"""What puts the records right after something was killed: runs that nobody runs, requests never launched.

Every minute as a sensor, and at the start of each `mlops run`, which has no daemon to wait for. Each step looks at
what is recorded and mends what contradicts it, so that doing it twice does nothing.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import dagster as dg

from mlops_assets.defs.automation import LIFECYCLE_JOB, ModelJobs, model_of, request, will_retry
from mlops_assets.defs.catalog import ALLOWANCE, LATE_AFTER, longest_interval
from mlops_assets.defs.failures import failure_reasons
from mlops_assets.defs.processes import PROCESS_TAG, is_gone
from mlops_assets.defs.resources import MODEL_TAG, REQUEST_TAG, PlatformResource
from mlops_assets.defs.sensor_runs import attempt, sensor_run
from mlops_assets.errors import ServiceError
from mlops_assets.lifecycle import alerts, governing
from mlops_assets.lifecycle.missing_predictions import report_missing_predictions
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.recovery import bundles
from mlops_assets.lifecycle.stages import train_distributed
from mlops_assets.model_file import ModelSpec

T = TypeVar("T")
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


def housekeeping(specs: Sequence[ModelSpec], jobs: ModelJobs) -> dg.SensorDefinition:
    """Return the sensor that ends lost runs and launches lost retrain requests.

    Args:
        specs: The models.
        jobs: The job of each model, which a lost retrain request is launched with.

    Returns:
        The sensor, which evaluates every 60 seconds.
    """

    @dg.sensor(
        name="housekeeping",
        description="Ends runs whose process is gone, in Dagster and MLflow, and closes retrain requests.",
        jobs=jobs,
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def keep(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        opened, now = platform.open(), datetime.now(UTC)
        again, sentences = keep_order(specs, opened, context.instance, now, context.log.info)
        for sentence in sentences:
            context.log.info(sentence)
        if again:
            return dg.SensorResult(run_requests=again)
        return dg.SkipReason("; ".join(sentences) or "everything is in order")

    return keep


def keep_order(
    specs: Sequence[ModelSpec],
    platform: Platform,
    instance: dg.DagsterInstance,
    now: datetime,
    progress: Callable[[str], None],
) -> tuple[list[dg.RunRequest], list[str]]:
    """Carry out every step of housekeeping; a step or a model that fails does not stop the others.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        instance: Dagster's instance.
        now: Present time, with a zone.
        progress: Receives sentences about alerts that could not be recorded.

    Returns:
        Run requests for retrains that never got a run, and a sentence for everything that was done or failed.
    """
    run = sensor_run(progress)

    def step(what: str, act: Callable[[], T]) -> T | None:
        result, problem = attempt(what, act, platform=platform, run=run)
        if problem:
            sentences.append(problem)
        return result

    sentences: list[str] = []
    if ended := step("lost runs", lambda: end_lost_runs(specs, platform, instance, now)):
        sentences.append(f"ended {ended} lost runs")
    sentences += step("leftovers", lambda: sweep_leftovers(platform, now)) or []
    step("missed alerts", lambda: report_missed_failures(specs, platform, instance, now))
    due = {
        spec.name: LATE_AFTER * longest_interval(spec.schedules.predictions) + ALLOWANCE
        for spec in specs
        if spec.schedules.predictions
    }
    step("missing predictions", lambda: report_missing_predictions(specs, platform, due, now))
    step("pending alerts", lambda: alerts.deliver_pending(platform, specs, now))
    again: list[dg.RunRequest] = []
    for spec in specs:
        again += (
            step(spec.name, lambda spec=spec: close_requests([spec], platform, instance, now)) or []  # type: ignore[misc]
        )
    return again, sentences


def sweep_leftovers(platform: Platform, now: datetime) -> list[str]:
    """Remove what killed processes left on disk, and archive challengers that never got a bundle.

    Args:
        platform: The open stores and settings.
        now: Present time, with a zone.

    Returns:
        A sentence with the count for each kind of leftover that there was.
    """
    fits = train_distributed.sweep(platform.settings.model_root, now, LONGEST_RUN)
    folders, challengers = bundles.sweep_unfinished(platform, now, LONGEST_RUN)
    counts = {
        "removed {} folders of fits that no run needs": fits,
        "removed {} temporary folders of killed saves": folders,
        "archived {} challengers that never got a bundle": challengers,
    }
    return [sentence.format(count) for sentence, count in counts.items() if count]


def end_lost_runs(
    specs: Sequence[ModelSpec], platform: Platform, instance: dg.DagsterInstance, now: datetime
) -> int:
    """Fail runs whose process is gone; such a run would occupy its model's slot in the queue permanently.

    Also closes the MLflow runs below them, and alerts once. A run that cannot be ended does not keep the others.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        instance: Dagster's instance.
        now: Present time, with a zone.

    Returns:
        How many runs there were.

    Raises:
        ServiceError: When a run could not be ended; all others were.
    """
    by_name = {spec.name: spec for spec in specs}
    ended = 0
    problems = []
    for run in instance.get_runs(dg.RunsFilter(statuses=list(GOING))):
        if is_gone(run.tags.get(PROCESS_TAG, ""), run.run_id):
            reason = "its process ended without saying so (killed, or the machine restarted)"
            spec = by_name.get(run.tags.get(MODEL_TAG, ""))
            try:
                instance.report_run_failed(run, reason)
                alerts.alert_failed_run(platform, run.root_run_id or run.run_id, spec, [reason], now)
                platform.registry.close_parents(run.run_id, "FAILED")
            except Exception as error:  # noqa: BLE001 the slots of the other models must become free all the same
                problems.append(f"run {run.run_id}: {error}")
            ended += 1
    ended += len(platform.registry.reap(now, LONGEST_RUN))
    if problems:
        raise ServiceError("; ".join(problems))
    return ended


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

    Raises:
        ServiceError: When an alert could not be recorded; all others were.
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
    problems = []
    for run_id in missed:
        spec = by_name.get(model_of(failed[run_id]) or "")
        reasons = failure_reasons(instance, failed[run_id])
        try:
            alerts.alert_failed_run(platform, run_id, spec, reasons, now)
        except Exception as error:  # noqa: BLE001 the alerts of the other runs are sent all the same
            problems.append(f"run {run_id}: {type(error).__name__}: {error}")
    if problems:
        raise ServiceError("; ".join(problems))
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

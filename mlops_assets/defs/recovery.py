"""Checks of the recovery paths: rollback readiness, the copy of the ledger in MLflow, and reproduction of champions."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

import dagster as dg

from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensor_runs import attempt, for_each_model, sensor_run
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.recovery import mlflow_sync, reproduce, rollback_check
from mlops_assets.model_file import ModelSpec
from mlops_assets.reports.markdown_text import plain_markdown

CHECKS_PER_TICK = 3
"""A readiness check loads a model; a tick that took minutes would be ended."""
LEDGER_CHECK_EVERY = timedelta(hours=1)
REPRODUCE_JOB = "reproduce_champions"


def reproduction(
    specs: Sequence[ModelSpec], *, running: bool = True
) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """Return a job that trains every champion again, and its monthly schedule.

    Args:
        specs: All model files.
        running: Whether the schedule starts switched on.

    Returns:
        Job and schedule.
    """

    @dg.op(name="reproduce", required_resource_keys={"platform"})
    def reproduce_all(context: dg.OpExecutionContext) -> None:
        platform: Platform = context.resources.platform.open()
        failed = []
        for spec in specs:
            champion = platform.ledger.champion(spec.name)
            if champion is None:
                continue
            run = sensor_run(context.log.info)
            act = partial(reproduce.reproduce, platform, spec.name, champion.version, run)
            result, problem = attempt(spec.name, act, platform=platform, run=run, spec=spec)
            if result is None or problem:
                failed.append(problem or spec.name)
                continue
            context.log.info(result.sentence)
            if result.verdict not in ("equal", "within_tolerance"):
                failed.append(result.sentence)
        if failed:
            raise dg.Failure("; ".join(failed), allow_retries=False)

    @dg.job(
        name=REPRODUCE_JOB,
        description="Trains every champion again from its recorded data and seed, and compares all predictions.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        reproduce_all()

    schedule = dg.ScheduleDefinition(
        name="reproduce_champions_monthly",
        job=job,
        cron_schedule="0 5 1 * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )
    return job, schedule


def rollback_check_sensor(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    """Return the sensor that checks whether a rollback could happen now, and the ledger's own rules.

    Args:
        specs: All model files.

    Returns:
        The sensor, which evaluates every 300 seconds.
    """

    @dg.sensor(
        name="rollback_check_sensor",
        description="Once a day, and after each move of a champion: could a rollback happen now? Also checks the "
        "ledger's own rules.",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def check(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        opened, run = platform.open(), sensor_run(context.log.info)
        checked: list[tuple[ModelSpec, rollback_check.RollbackCheck]] = []
        problems = for_each_model(specs, opened, run, partial(_check_rollback, checked))
        if context.cursor is None or run.as_of - datetime.fromisoformat(context.cursor) >= LEDGER_CHECK_EVERY:
            broken, problem = attempt(
                "the ledger", lambda: mlflow_sync.check_ledger(opened, run), platform=opened, run=run
            )
            problems += [*(broken or ()), *([problem] if problem else [])]
            context.update_cursor(run.as_of.isoformat())
        for sentence in problems:
            context.log.warning(sentence)
        with_target = [(spec, result) for spec, result in checked if result.version is not None]
        if not with_target:
            return dg.SkipReason("; ".join(problems) or "every target was checked today")
        return dg.SensorResult(asset_events=[_observation(spec, result) for spec, result in with_target])

    return check


def _check_rollback(
    checked: list[tuple[ModelSpec, rollback_check.RollbackCheck]],
    spec: ModelSpec,
    platform: Platform,
    run: Run,
) -> None:
    """Check one model if it is due and this tick has not checked enough; the result goes to `checked`."""
    if len(checked) >= CHECKS_PER_TICK or not rollback_check.is_due(platform, spec.name, run.now()):
        return
    result = rollback_check.check_rollback(platform, spec.name, sensor_run(run.progress))
    checked.append((spec, result))
    rollback_check.alert(platform, result, run, spec)


def _observation(spec: ModelSpec, result: rollback_check.RollbackCheck) -> dg.AssetObservation:
    return dg.AssetObservation(
        dg.AssetKey([spec.name, "production_model"]),
        description=plain_markdown(result.sentence),
        metadata={
            "rollback_target": result.version or 0,
            "rollback_ready": result.ready,
            "load_seconds": result.load_seconds,
            "answer_seconds": result.answer_seconds,
        },
    )


def mlflow_mirror_sensor(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    """Return the sensor that repairs MLflow's copy of the champions.

    Args:
        specs: All model files.

    Returns:
        The sensor, which evaluates every 60 seconds.
    """

    @dg.sensor(
        name="mlflow_mirror_sensor",
        description="Brings MLflow's champion alias and tags in line with the ledger, and reports changes by hand.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def repair(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
        sentences = for_each_model(specs, platform.open(), sensor_run(context.log.info), _reconcile)
        return dg.SkipReason("; ".join(sentences) or "MLflow shows what the ledger says")

    return repair


def _reconcile(spec: ModelSpec, platform: Platform, run: Run) -> str | None:
    result = mlflow_sync.reconcile(platform, spec, run)
    if not result.writes:
        return None
    return f"{spec.name}: {result.writes} repaired{', changed by hand' if result.tampered else ''}"

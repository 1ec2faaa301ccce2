"""Sensors for human approval and rollback: approval files, pending approvals, rollback readiness, MLflow's mirror.

Each tick looks at the ledger and mends what is missing, so that a lost cursor or a second daemon repeats nothing. One
model that fails does not keep the others from their turn.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import dagster as dg

from mlops_assets.defs.resources import PlatformResource
from mlops_assets.errors import MlopsError
from mlops_assets.lifecycle.approvals import answers, files
from mlops_assets.lifecycle.platform import Platform, Run, code_commit
from mlops_assets.lifecycle.recovery import mlflow_sync, reproduce, rollback_check
from mlops_assets.model_file import ModelSpec

CHECKS_PER_TICK = 3
"""A check loads a model; a tick that took minutes would be ended."""
LEDGER_CHECK_EVERY = timedelta(hours=1)
REPRODUCE_JOB = "reproduce_champions"

Look = Callable[[ModelSpec, Platform, Run], str | None]


def approval_sensors(specs: Sequence[ModelSpec]) -> list[dg.SensorDefinition]:
    """The approval-file sensor, the daily rollback readiness check, and the reconciler."""
    return [_approvals(specs), _readiness(specs), _mirror(specs)]


def reproduction(specs: Sequence[ModelSpec]) -> tuple[dg.JobDefinition, dg.ScheduleDefinition]:
    """A job that makes every champion again, and its monthly schedule."""

    @dg.op(name="reproduce", required_resource_keys={"platform"})
    def again(context: dg.OpExecutionContext) -> None:
        platform: Platform = context.resources.platform.open()
        failed = []
        for spec in specs:
            champion = platform.ledger.champion(spec.name)
            if champion is None:
                continue
            made = reproduce.reproduce(platform, spec.name, champion.version, _run(context.log.info))
            context.log.info(made.words)
            if made.verdict not in ("equal", "within_tolerance"):
                failed.append(made.words)
        if failed:
            raise dg.Failure("; ".join(failed), allow_retries=False)

    @dg.job(
        name=REPRODUCE_JOB,
        description="Trains every champion again from its recorded data and seed, and compares all answers.",
        executor_def=dg.in_process_executor,
    )
    def job() -> None:
        again()

    schedule = dg.ScheduleDefinition(
        name="reproduce_champions_monthly",
        job=job,
        cron_schedule="0 5 1 * *",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    return job, schedule


def _approvals(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    @dg.sensor(
        name="approval_file_sensor",
        description="Reads answers merged into the approvals folder, and acts on answers that were left behind.",
        minimum_interval_seconds=30,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def read(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
        opened, run = platform.open(), _run(context.log.info)
        said = []
        for file in files.answer_from_files(specs, opened, run):
            if not file.accepted:
                files.complain(file, opened, run)
            if file.news or not file.accepted:
                said.append(f"{file.file.name}: {file.sentence}")
        said += _each(specs, opened, run, lambda spec, *more: "; ".join(answers.act_on_answers(spec, *more)))
        return dg.SkipReason("; ".join(said) or "no new answers")

    return read


def _readiness(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    @dg.sensor(
        name="rollback_check_sensor",
        description="Once a day, and after each move of a champion: could a rollback happen now? Also checks the "
        "ledger's own rules.",
        minimum_interval_seconds=300,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def ready(
        context: dg.SensorEvaluationContext, platform: PlatformResource
    ) -> dg.SensorResult | dg.SkipReason:
        opened, run = platform.open(), _run(context.log.info)
        due = [spec for spec in specs if rollback_check.is_due(opened, spec.name, run.now())]
        made = [
            (spec, rollback_check.check_rollback(opened, spec.name, _run(context.log.info)))
            for spec in due[:CHECKS_PER_TICK]
        ]
        for spec, one in made:
            rollback_check.alert(opened, one, run, spec)
        broken: tuple[str, ...] = ()
        if context.cursor is None or run.as_of - datetime.fromisoformat(context.cursor) >= LEDGER_CHECK_EVERY:
            broken = mlflow_sync.check_ledger(opened, run)
            context.update_cursor(run.as_of.isoformat())
        tried = [(spec, one) for spec, one in made if one.version is not None]
        if not tried:
            return dg.SkipReason("; ".join(broken) or "every target was tried today")
        return dg.SensorResult(asset_events=[_tried(spec, one) for spec, one in tried])

    return ready


def _tried(spec: ModelSpec, made: rollback_check.RollbackCheck) -> dg.AssetObservation:
    return dg.AssetObservation(
        dg.AssetKey([spec.name, "production_model"]),
        description=made.words,
        metadata={
            "rollback_target": made.version or 0,
            "rollback_ready": made.ready,
            "load_seconds": made.load_seconds,
            "answer_seconds": made.answer_seconds,
        },
    )


def _mirror(specs: Sequence[ModelSpec]) -> dg.SensorDefinition:
    @dg.sensor(
        name="mlflow_mirror_sensor",
        description="Brings MLflow's champion alias and tags in line with the ledger, and reports changes by hand.",
        minimum_interval_seconds=60,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def repair(context: dg.SensorEvaluationContext, platform: PlatformResource) -> dg.SkipReason:
        said = _each(specs, platform.open(), _run(context.log.info), _repaired)
        return dg.SkipReason("; ".join(said) or "MLflow shows what the ledger says")

    return repair


def _repaired(spec: ModelSpec, platform: Platform, run: Run) -> str | None:
    done = mlflow_sync.reconcile(platform, spec.name, run)
    if not done.writes:
        return None
    return f"{spec.name}: {done.writes} repaired{', changed by hand' if done.tampered else ''}"


def _each(specs: Sequence[ModelSpec], platform: Platform, run: Run, look: Look) -> list[str]:
    said = []
    for spec in specs:
        try:
            sentence = look(spec, platform, run)
        except MlopsError as error:
            sentence = f"{spec.name}: {error}"
        if sentence:
            said.append(sentence)
    return said


def _run(progress: Callable[[str], None]) -> Run:
    return Run(
        id=uuid4().hex,
        as_of=datetime.now(UTC),
        now=lambda: datetime.now(UTC),
        actor="dagster",
        code_commit=code_commit(Path(__file__).parent),
        progress=progress,
    )

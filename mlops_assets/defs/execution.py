"""Running a model's graph from a terminal: the job the schedules ask for, in this process, on the same instance."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import dagster as dg

from mlops_assets.defs.automation import LIFECYCLE_JOB, keys
from mlops_assets.defs.failures import reasons, sentences
from mlops_assets.defs.housekeeping import end_lost_runs, sweep_leftovers
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.defs.processes import PROCESS_TAG, this_process
from mlops_assets.defs.resources import (
    ACTOR_TAG,
    AS_OF_TAG,
    MODEL_TAG,
    REUSE_TAG,
    PlatformResource,
)
from mlops_assets.defs.run_logs import DAGSTER_MESSAGES
from mlops_assets.lifecycle import alerts
from mlops_assets.model_file import ModelSpec


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """A run that ended: failures holds (stage, sentence) of every step that failed."""

    run_id: str
    success: bool
    failures: tuple[tuple[str, str], ...]


def materialize(
    spec: ModelSpec,
    *,
    as_of: datetime,
    actor: str,
    progress: Callable[[str], None],
    reuse: bool,
    job: str = LIFECYCLE_JOB,
) -> FinishedRun:
    """Run one of a model's jobs and wait for it; a failing step does not raise.

    Args:
        spec: The model.
        as_of: The instant at which the run reads the world.
        actor: Who started it.
        progress: Receives what the stages report.
        reuse: Leave training out when nothing changed since a challenger that was already evaluated.
        job: A name in `automation.JOBS`.

    Returns:
        Id of the run, whether it succeeded, and the reasons of its failures.
    """
    definitions = build_definitions([spec], loggers={"console": _progress_logger(progress)}, retries=None)
    platform, run_id = PlatformResource().open(), str(uuid4())
    # it warns of checks without a result: no news where a stage had nothing to do
    logging.getLogger("dagster._core.execution.plan.active").setLevel(logging.ERROR)
    with dg.DagsterInstance.get() as instance:
        end_lost_runs([spec], platform, instance, datetime.now(UTC))
        for sentence in sweep_leftovers(platform, datetime.now(UTC)):
            progress(sentence)
        result = definitions.resolve_job_def(spec.name).execute_in_process(
            asset_selection=keys(spec, job),
            instance=instance,
            tags={
                AS_OF_TAG: as_of.isoformat(),
                ACTOR_TAG: actor,
                MODEL_TAG: spec.name,
                REUSE_TAG: str(reuse).lower(),
                PROCESS_TAG: this_process(run_id),
            },
            run_id=run_id,
            run_config={"loggers": {"console": {}}},
            raise_on_error=False,
        )
    failures = tuple(sentences(result.all_events))
    platform.registry.close_parents(result.run_id, "FINISHED" if result.success else "FAILED")
    if not result.success:  # no sensor sees a run that was not launched by the daemon
        alerts.alert_failed_run(platform, result.run_id, spec, reasons(failures), datetime.now(UTC))
    platform.ledger.close()
    return FinishedRun(result.run_id, result.success, failures)


def _progress_logger(progress: Callable[[str], None]) -> dg.LoggerDefinition:
    """Return a logger that passes on what stages report, not what Dagster reports about itself."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            meta = getattr(record, "dagster_meta", {})
            message = str(meta.get("orig_message", record.getMessage()))
            about_itself = meta.get("dagster_event") or message.startswith(DAGSTER_MESSAGES)
            if meta.get("step_key") and not about_itself and record.levelno >= logging.INFO:
                progress(message)

    @dg.logger
    def passing(_: dg.InitLoggerContext) -> logging.Logger:
        logger = logging.getLogger("mlops_assets.progress")
        logger.handlers, logger.propagate = [Handler()], False
        logger.setLevel(logging.INFO)
        return logger

    return passing

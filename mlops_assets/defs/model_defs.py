"""Model specs in, one `Definitions` out."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import dagster as dg

from mlops_assets.defs.automation import job_of, schedules
from mlops_assets.defs.backtest_asset import backtest_report
from mlops_assets.defs.executors import IN_PROCESS, executor_named
from mlops_assets.defs.model_assets import RETRIES, model_assets
from mlops_assets.defs.monitoring_assets import report_assets, retrain_request
from mlops_assets.defs.platform_health import health_asset
from mlops_assets.defs.probe import probe_job
from mlops_assets.defs.recovery import reproduction
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensors import sensors
from mlops_assets.defs.weekly import weekly_report
from mlops_assets.model_file import ModelSpec


def assets_of(
    spec: ModelSpec,
    retries: dg.RetryPolicy | None,
    *,
    file: Path | None = None,
    candidate_steps: bool = False,
) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Return every asset of one model's group.

    Args:
        spec: The model file.
        retries: Retry policy of the assets; None for no retries.
        file: Path of the model file, linked in the catalog.
        candidate_steps: Whether each candidate is a step of its own, for distributed training.

    Returns:
        Assets, in the order of the stages.
    """
    return [
        *model_assets(spec, retries, file=file, candidate_steps=candidate_steps),
        *report_assets(spec),
        retrain_request(spec),
        *([backtest_report(spec)] if spec.timestamp is not None else []),
    ]


def build_definitions(
    specs: Sequence[ModelSpec],
    *,
    files: Mapping[str, Path] | None = None,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    retries: dg.RetryPolicy | None = RETRIES,
    executor: str = IN_PROCESS,
    automatic: bool = True,
    probe: bool = False,
) -> dg.Definitions:
    """Return assets, checks, jobs, schedules and sensors of every model.

    Args:
        specs: The model files.
        files: Path of each model's file by the model's name, linked in the catalog.
        loggers: Loggers of the runs.
        retries: How failed steps are retried.
        executor: A name in EXECUTORS. With the default the steps of a run share one process, where one step trains all
            candidates; with any other each candidate has a step in a process or machine of its own.
        automatic: Whether schedules and the retrain governor start switched on; alerts and housekeeping always do.
        probe: Whether the platform is probed every hour.

    Returns:
        Dagster's definitions of the code location.
    """
    week, week_job, mondays = weekly_report(specs)
    model_jobs = [job_of(spec) for spec in specs]
    probes = [probe_job()] if probe else []
    reproduce_job, monthly = reproduction(specs, running=automatic)
    return dg.Definitions(
        assets=[
            *(
                asset
                for spec in specs
                for asset in assets_of(
                    spec, retries, file=(files or {}).get(spec.name), candidate_steps=executor != IN_PROCESS
                )
            ),
            week,
            health_asset(),
        ],
        jobs=[*model_jobs, reproduce_job, week_job, *(job for job, _ in probes)],
        schedules=[
            *(schedule for spec in specs for schedule in schedules(spec, running=automatic)),
            monthly,
            mondays,
            *(hourly for _, hourly in probes),
        ],
        sensors=sensors(specs, model_jobs, governing_runs=automatic),
        resources={"platform": PlatformResource()},
        executor=executor_named(executor),
        loggers=loggers,
    )

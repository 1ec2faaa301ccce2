"""Model specs in, one `Definitions` out."""

from collections.abc import Mapping, Sequence

import dagster as dg

from mlops_assets.defs.automation import jobs, schedules
from mlops_assets.defs.model_assets import RETRIES, model_assets
from mlops_assets.defs.people import people_sensors, reproduction
from mlops_assets.defs.resources import PlatformResource
from mlops_assets.defs.sensors import sensors
from mlops_assets.defs.watch_assets import data_quality_report, drift_report, retrain_request
from mlops_assets.spec import ModelSpec


def assets_of(spec: ModelSpec, retries: dg.RetryPolicy | None) -> list[dg.AssetsDefinition | dg.AssetSpec]:
    """Everything in one model's group."""
    found: list[dg.AssetsDefinition | dg.AssetSpec] = [*model_assets(spec, retries)]
    return [*found, data_quality_report(spec), drift_report(spec), retrain_request(spec)]


def build_definitions(
    specs: Sequence[ModelSpec],
    *,
    loggers: Mapping[str, dg.LoggerDefinition] | None = None,
    retries: dg.RetryPolicy | None = RETRIES,
) -> dg.Definitions:
    """Assets, checks, jobs, schedules and sensors of every model. Steps of a run share one process by default."""
    proof, monthly = reproduction(specs)
    return dg.Definitions(
        assets=[asset for spec in specs for asset in assets_of(spec, retries)],
        jobs=[*jobs(specs), proof],
        schedules=[*(schedule for spec in specs for schedule in schedules(spec)), monthly],
        sensors=[*sensors(specs), *people_sensors(specs)],
        resources={"platform": PlatformResource()},
        executor=dg.in_process_executor,
        loggers=loggers,
    )

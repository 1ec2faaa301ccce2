"""The two assets beside a model's seven stages: the drift report, and the marker that a retrain was asked for."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from mlops_assets import stages
from mlops_assets.defs import display
from mlops_assets.defs.failures import plain_failures
from mlops_assets.defs.resources import run_of
from mlops_assets.lifecycle import watch
from mlops_assets.spec import ModelSpec


def drift_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """PSI per feature of the newest readings against the champion's training data."""

    @dg.asset(
        name=stages.DRIFT_REPORT,
        key_prefix=spec.name,
        group_name=spec.name,
        description="How far the newest readings have moved from the champion's training data, feature by feature.",
        owners=list(spec.owners),
        kinds={"polars"},
        deps=[dg.AssetKey([spec.name, stages.PRODUCTION_MODEL])],
        required_resource_keys={"platform"},
    )
    def live(context: dg.AssetExecutionContext) -> Iterator[Any]:
        platform = context.resources.platform.open()
        with plain_failures():
            record = watch.report_drift(spec, platform, run_of(context, None))
        shown = display.drift(record, platform)
        yield dg.MaterializeResult(metadata=shown.metadata, data_version=dg.DataVersion(shown.data_version))

    return live


def retrain_request(spec: ModelSpec) -> dg.AssetSpec:
    """Marked by the sensors when a retrain is asked for; what trains from it then shows as out of date."""
    return dg.AssetSpec(
        dg.AssetKey([spec.name, stages.RETRAIN_REQUEST]),
        group_name=spec.name,
        description="The latest reasoned request to retrain, made by the drift or staleness sensor.",
        owners=list(spec.owners),
        kinds={"postgres"},
    )

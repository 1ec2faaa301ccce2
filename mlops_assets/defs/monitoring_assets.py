"""The assets next to a model's seven stages: its reports, and the marker of a retrain request."""

from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import dagster as dg

from mlops_assets import stages
from mlops_assets.defs import catalog, monitoring_display
from mlops_assets.defs.failures import plain_failures
from mlops_assets.defs.metadata import Display
from mlops_assets.defs.placement import step_tags
from mlops_assets.defs.resources import pool_of, run_of
from mlops_assets.lifecycle.monitoring_report import write_monitoring_report
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import StageRecord
from mlops_assets.lifecycle.stages import data, health, importance, monitor, performance
from mlops_assets.model_file import ModelSpec

Record = TypeVar("Record", bound=StageRecord)


def drift_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with PSI per feature of the newest readings against the champion's training data.

    Args:
        spec: The model file.

    Returns:
        The asset.
    """
    return _report_asset(
        spec,
        stages.DRIFT_REPORT,
        "How far the newest readings have moved from the champion's training data, feature by feature.",
        {"polars"},
        (stages.PRODUCTION_MODEL, stages.VALIDATED_DATA),
        monitor.report_drift,
        monitoring_display.drift,
    )


def importance_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with what moves the champion's predictions on recent rows.

    Args:
        spec: The model file.

    Returns:
        The asset.
    """
    return _report_asset(
        spec,
        stages.IMPORTANCE_REPORT,
        "Which features move the champion's predictions on recent rows, against the holdout that it was judged on.",
        {"python"},
        (stages.PRODUCTION_MODEL, stages.VALIDATED_DATA),
        importance.report_importance,
        monitoring_display.importance,
    )


def performance_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with the champion's metrics in production, window by window.

    Args:
        spec: The model file.

    Returns:
        The asset.
    """
    return _report_asset(
        spec,
        stages.PERFORMANCE_REPORT,
        "How good the champion's predictions were, by the labels that have arrived: windows against the holdout and "
        "the naive forecast.",
        {"polars"},
        (stages.PREDICTIONS, stages.VALIDATED_DATA),
        performance.report_performance,
        monitoring_display.performance,
    )


def model_health(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with the diagnosis of the champion.

    Args:
        spec: The model file.

    Returns:
        The asset.
    """
    return _report_asset(
        spec,
        stages.MODEL_HEALTH,
        "What is wrong with the champion, in one sentence: broken data first, then what its error and the importance "
        "of its features say together.",
        {"postgres"},
        (
            stages.VALIDATED_DATA,
            stages.DRIFT_REPORT,
            stages.IMPORTANCE_REPORT,
            stages.PERFORMANCE_REPORT,
        ),
        health.report_health,
        monitoring_display.health,
    )


def monitoring_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with the page about a model in production.

    Args:
        spec: The model file.

    Returns:
        The asset.
    """
    return _report_asset(
        spec,
        stages.MONITORING_REPORT,
        "The page about the model in production: its health, error by window and drift, with pictures.",
        {"matplotlib"},
        (stages.MODEL_HEALTH,),
        lambda spec, platform, run: write_monitoring_report(spec, platform, run.as_of),
        monitoring_display.monitoring,
    )


def data_quality_report(spec: ModelSpec) -> dg.AssetsDefinition:
    """Return the asset with Great Expectations' own results of the rules, and its pages.

    Args:
        spec: The model file.

    Returns:
        The asset.
    """
    return _report_asset(
        spec,
        stages.DATA_QUALITY_REPORT,
        "Great Expectations' results of the rules of the model file, with its pages one click away.",
        {"greatexpectations"},
        (stages.RAW_READINGS,),
        data.report_quality,
        monitoring_display.quality,
    )


def _report_asset(
    spec: ModelSpec,
    name: str,
    description: str,
    kinds: set[str],
    upstream: tuple[str, ...],
    report: Callable[[ModelSpec, Platform, Run], Record],
    show: Callable[[Record, ModelSpec, Platform], Display],
) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        key_prefix=spec.name,
        group_name=spec.name,
        description=description,
        owners=list(spec.owners),
        kinds=kinds,
        tags=catalog.tags_of(spec),
        freshness_policy=catalog.freshness_of(spec, name),
        deps=[dg.AssetKey([spec.name, stage]) for stage in upstream],
        required_resource_keys={"platform"},
        pool=pool_of(spec.name),
        op_tags=step_tags(spec),
    )
    def materialize(context: dg.AssetExecutionContext) -> Iterator[Any]:
        platform: Platform = context.resources.platform.open()
        with plain_failures():
            record = report(spec, platform, run_of(context, None))
        shown = show(record, spec, platform)
        yield dg.MaterializeResult(metadata=shown.metadata, data_version=dg.DataVersion(shown.data_version))

    return materialize


def retrain_request(spec: ModelSpec) -> dg.AssetSpec:
    """Return the asset that sensors mark when they request a retrain; its downstream assets become stale.

    Args:
        spec: The model file.

    Returns:
        The asset's specification; it is never executed.
    """
    return dg.AssetSpec(
        dg.AssetKey([spec.name, stages.RETRAIN_REQUEST]),
        group_name=spec.name,
        description="The latest reasoned request to retrain, granted by the retrain governor.",
        owners=list(spec.owners),
        kinds={"postgres"},
    )

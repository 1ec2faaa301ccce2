"""The assets next to a model's seven stages: its reports, and the marker of a retrain request."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Generic

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import (
    DriftReport,
    HealthReport,
    ImportanceReport,
    MonitoringReport,
    PerformanceReport,
)
from mlops_assets.defs import catalog, monitoring_display
from mlops_assets.defs.failures import plain_failures
from mlops_assets.defs.metadata import Display
from mlops_assets.defs.model_assets import Record
from mlops_assets.defs.placement import step_tags
from mlops_assets.defs.resources import pool_of, run_of
from mlops_assets.lifecycle.monitoring_report import write_monitoring_report
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.lifecycle.records import QualityRecord
from mlops_assets.lifecycle.stages import data, health, importance, monitor, performance
from mlops_assets.model_file import ModelSpec


@dataclass(frozen=True, slots=True)
class Report(Generic[Record]):
    """How one report appears in Dagster."""

    write: Callable[[ModelSpec, Platform, Run], Record]
    show: Callable[[Record, ModelSpec, Platform], Display]
    description: str
    kind: str
    upstream: tuple[str, ...]

    def execute(self, spec: ModelSpec, platform: Platform, run: Run) -> Display:
        """Write the report and create its display.

        Args:
            spec: The model file.
            platform: The open stores and settings.
            run: The run: id, actor, clock and progress callback.

        Returns:
            The display.
        """
        return self.show(self.write(spec, platform, run), spec, platform)


AnyReport = (
    Report[QualityRecord]
    | Report[PerformanceReport]
    | Report[DriftReport]
    | Report[ImportanceReport]
    | Report[HealthReport]
    | Report[MonitoringReport]
)

REPORTS: dict[str, AnyReport] = {
    stages.DATA_QUALITY_REPORT: Report(
        data.report_quality,
        monitoring_display.quality,
        "Great Expectations' results of the rules of the model file, with its pages one click away.",
        "greatexpectations",
        (stages.RAW_READINGS,),
    ),
    stages.PERFORMANCE_REPORT: Report(
        performance.report_performance,
        monitoring_display.performance,
        "How good the champion's predictions were, by the labels that have arrived: windows against the holdout and "
        "the naive forecast.",
        "polars",
        (stages.PREDICTIONS, stages.VALIDATED_DATA),
    ),
    stages.DRIFT_REPORT: Report(
        monitor.report_drift,
        monitoring_display.drift,
        "How far the newest readings have moved from the champion's training data, feature by feature.",
        "polars",
        (stages.PRODUCTION_MODEL, stages.VALIDATED_DATA),
    ),
    stages.IMPORTANCE_REPORT: Report(
        importance.report_importance,
        monitoring_display.importance,
        "Which features move the champion's predictions on recent rows, against the holdout that it was judged on.",
        "python",
        (stages.PRODUCTION_MODEL, stages.VALIDATED_DATA),
    ),
    stages.MODEL_HEALTH: Report(
        health.report_health,
        monitoring_display.health,
        "What is wrong with the champion, in one sentence: broken data first, then what its error and the importance "
        "of its features say together.",
        "postgres",
        (stages.VALIDATED_DATA, stages.DRIFT_REPORT, stages.IMPORTANCE_REPORT, stages.PERFORMANCE_REPORT),
    ),
    stages.MONITORING_REPORT: Report(
        lambda spec, platform, run: write_monitoring_report(spec, platform, run.as_of),
        monitoring_display.monitoring,
        "The page about the model in production: its health, error by window and drift, with pictures.",
        "matplotlib",
        (stages.MODEL_HEALTH,),
    ),
}


def report_assets(spec: ModelSpec) -> list[dg.AssetsDefinition]:
    """Return the assets that watch a model's data and its champion.

    Args:
        spec: The model file.

    Returns:
        One asset per report.
    """
    return [_asset_of(spec, name, report) for name, report in REPORTS.items()]


def _asset_of(spec: ModelSpec, name: str, report: AnyReport) -> dg.AssetsDefinition:
    @dg.asset(
        name=name,
        key_prefix=spec.name,
        group_name=spec.name,
        description=report.description,
        owners=list(spec.owners),
        kinds={report.kind},
        tags=catalog.tags_of(spec),
        freshness_policy=catalog.freshness_of(spec, name),
        deps=[dg.AssetKey([spec.name, stage]) for stage in report.upstream],
        required_resource_keys={"platform"},
        pool=pool_of(spec.name),
        op_tags=step_tags(spec),
    )
    def materialize(context: dg.AssetExecutionContext) -> Iterator[Any]:
        platform: Platform = context.resources.platform.open()
        with plain_failures():
            shown = report.execute(spec, platform, run_of(context, None))
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

"""Records as a person wants to see them in the Dagster UI: counts, tables, plots, links, and the data version.

Numbers are computed in the packages below; here they are only laid out.
"""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import (
    DriftReport,
    FeatureDrift,
    HealthReport,
    ImportanceReport,
    MonitoringReport,
    Outcome,
    PerformanceReport,
    TableVersion,
    TrainedModel,
    digest,
)
from mlops_assets.defs.metadata import (
    Metadata,
    feature_lineage,
    inlined_report,
    metric_numbers,
    page_link,
    rows_table,
    table_version,
)
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.records import (
    FeaturesRecord,
    PredictionsRecord,
    PromotionRecord,
    QualityRecord,
    ReadingsRecord,
    ReportRecord,
    ValidatedRecord,
)
from mlops_assets.model_file import ModelSpec

StageRecord = (
    ReadingsRecord
    | ValidatedRecord
    | FeaturesRecord
    | TrainedModel
    | ReportRecord
    | PromotionRecord
    | PredictionsRecord
    | QualityRecord
    | DriftReport
    | ImportanceReport
    | PerformanceReport
    | HealthReport
    | MonitoringReport
)
"""What the stages return."""
OUTCOMES: dict[Outcome, str] = {"promote": "promoted", "keep": "kept", "refuse": "refused"}


@dataclass(frozen=True, slots=True)
class Display:
    """Metadata and data version of one materialization; not materialized when the stage changed nothing by design."""

    metadata: Metadata
    data_version: str
    materialized: bool = True


def readings(record: ReadingsRecord, spec: ModelSpec, platform: Platform) -> Display:
    """Show source, rows and every cleaning step of the readings.

    Args:
        record: The stage's record.
        spec: The model.
        platform: The open stores.

    Returns:
        Metadata and data version.
    """
    repairs = [{"repair": r.name, "column": r.column or "", "count": r.count} for r in record.repairs]
    extra: Metadata = {"source": record.source, "as_of": record.as_of.isoformat()}
    if repairs:
        extra["repairs"] = rows_table(repairs)
    return Display(
        {**table_version(record.table, platform.datasets, spec), **extra}, record.table.content_hash
    )


def validated(record: ValidatedRecord, spec: ModelSpec, platform: Platform) -> Display:
    """Show usable rows, quarantined rows, and the rules that failed.

    Args:
        record: The stage's record.
        spec: The model.
        platform: The open stores.

    Returns:
        Metadata and data version.
    """
    broken = [
        {"rule": r.rule, "critical": r.critical, "failed rows": r.failed_rows, "finding": r.message}
        for r in record.rules
        if not r.passed
    ]
    extra: Metadata = {
        "rules": len(record.rules),
        "rules_broken": len(broken),
        "quarantined_rows": record.quarantine.rows if record.quarantine else 0,
    }
    if broken:
        extra["findings"] = rows_table(broken)
    return Display(
        {**table_version(record.table, platform.datasets, spec), **extra}, record.table.content_hash
    )


def quality(record: QualityRecord, spec: ModelSpec, platform: Platform) -> Display:
    """Show the results of Great Expectations, with a link to its pages.

    Args:
        record: The stage's record.
        spec: The model.
        platform: The open stores, for the address of the pages.

    Returns:
        Metadata and data version.
    """
    results = [
        {"rule": r.rule, "passed": r.passed, "failed rows": r.failed_rows, "finding": r.message}
        for r in record.rules
    ]
    metadata: Metadata = {
        "dagster/row_count": record.rows,
        "passed": record.passed,
        "data_docs": page_link(platform, page_links.data_quality_path(spec.name)),
        "rules": rows_table(results),
    }
    return Display(metadata, digest({"answers": results}))


def features(record: FeaturesRecord, spec: ModelSpec, platform: Platform) -> Display:
    """Show rows and names of the feature columns.

    Args:
        record: The stage's record.
        spec: The model.
        platform: The open stores.

    Returns:
        Metadata and data version.
    """
    return Display(
        {
            **table_version(record.table, platform.datasets, spec),
            "dagster/column_lineage": feature_lineage(
                spec, record.table.columns, dg.AssetKey([spec.name, stages.VALIDATED_DATA])
            ),
            "features": len(record.names),
            "feature_names": dg.MetadataValue.json(list(record.names)),
        },
        record.table.content_hash,
    )


def trained(record: TrainedModel, _: ModelSpec, platform: Platform) -> Display:
    """Show the candidates next to each other, and the link to the MLflow run.

    Args:
        record: The stage's record.
        platform: The open stores.

    Returns:
        Metadata and data version.
    """
    candidates = [
        {
            "algorithm": c.algorithm,
            "status": c.status,
            "seconds": c.seconds,
            **{
                f"{name} ({part})": value
                for part in ("train", "validation")
                for name, value in c.metrics.get(part, {}).items()
            },
            **({"note": c.message} if c.message else {}),
        }
        for c in record.candidates
    ]
    metadata: Metadata = {
        "version": record.version,
        "algorithm": record.algorithm,
        "dagster/row_count": record.rows,
        "seconds": round(record.seconds, 2),
        "candidates": rows_table(candidates),
        "data": rows_table([_version_row(table) for table in record.data]),
        "bundle": dg.MetadataValue.path(record.bundle),
        "manifest_sha256": record.manifest_sha256,
        **_mlflow(record, platform),
    }
    version = digest(
        {"data": [t.content_hash for t in record.data], "spec": record.spec_digest, "seed": record.seed}
    )
    return Display(metadata, version)


def evaluated(record: ReportRecord, spec: ModelSpec, platform: Platform) -> Display:
    """Show verdict, gate table, metrics compared with the champion's, and the plots.

    Args:
        record: The stage's record.
        spec: The model.
        platform: The open stores, for the address of the page.

    Returns:
        Metadata and data version.
    """
    gates = [{"gate": gate.gate, "verdict": gate.verdict, "reason": gate.reason} for gate in record.gates]
    folder = Path(record.folder)
    metadata: Metadata = {
        "outcome": OUTCOMES[record.decision.outcome],
        "reason": record.decision.reason,
        "version": record.version,
        "gates": rows_table(gates) if gates else "none",
        "metrics": rows_table(record.metrics),
        **metric_numbers(record.metrics, record.comparisons, spec.evaluation.primary),
        "report": inlined_report(folder, record.plots),
        "gate_report": page_link(platform, page_links.gate_report_path(spec.name, record.evidence_hash)),
        "evidence": record.evidence_hash,
    }
    return Display(metadata, record.evidence_hash)


def promoted(record: PromotionRecord, spec: ModelSpec, _: Platform) -> Display:
    """Show the decision on the challenger.

    A champion that stayed is materialized again under the same data version.

    Args:
        record: The stage's record.
        spec: The model.

    Returns:
        Metadata and data version.
    """
    metadata: Metadata = {
        "outcome": OUTCOMES[record.decision.outcome],
        "reason": record.decision.reason,
        "challenger": record.version,
        "champion": record.champion or "none",
        "revision": record.revision,
        "rollout": record.rollout or spec.rollout.strategy,
        "evidence": record.evidence_hash,
    }
    return Display(metadata, f"{record.champion}-{record.revision}", materialized=record.champion is not None)


def predicted(record: PredictionsRecord, spec: ModelSpec, platform: Platform) -> Display:
    """Show how many rows were predicted, and by which version.

    Args:
        record: The stage's record.
        spec: The model.
        platform: The open stores.

    Returns:
        Metadata and data version.
    """
    return Display(
        {
            **table_version(record.table, platform.datasets, spec),
            "champion": record.version,
            "new_rows": record.new_rows,
        },
        record.table.content_hash,
    )


def drift(record: DriftReport, _: ModelSpec, __: Platform) -> Display:
    """Show the movement of each feature, worst first.

    Args:
        record: The stage's record.

    Returns:
        Metadata and data version.
    """
    rows = [_movement(feature) for feature in record.features]
    metadata: Metadata = {
        "level": record.level,
        "dagster/row_count": record.rows,
        "champion": record.version or "none",
        "source": record.source,
    }
    if record.table is not None:
        metadata["readings"] = rows_table([_version_row(record.table)])
    if rows:
        metadata["features"] = rows_table(rows)
    if record.prediction is not None:
        metadata["prediction"] = rows_table([_movement(record.prediction)])
        if record.prediction.value is not None:
            metadata["prediction_value"] = record.prediction.value
    if record.alarms:
        metadata["alarm_record"] = rows_table([asdict(one) for one in record.alarms])
    for name in ("mean_value", "drifted_share"):
        value = getattr(record, name)
        if value is not None:
            metadata[name] = value
    return Display(metadata, digest({"level": record.level, "features": rows, "version": record.version}))


def _movement(feature: FeatureDrift) -> dict[str, Any]:
    return {
        "feature": feature.feature,
        "method": feature.method,
        "value": "unmeasurable" if feature.value is None else feature.value,
        "limit": feature.limit,
        "level": feature.level,
        "usual_level": feature.usual_level,
        "reference": feature.reference,
        "reason": feature.reason,
        "note": feature.note,
    }


def importance(record: ImportanceReport, _: ModelSpec, __: Platform) -> Display:
    """Show the rank of each feature on the holdout and on recent rows, with its interval.

    Args:
        record: The stage's record.

    Returns:
        Metadata and data version.
    """
    metadata: Metadata = {
        "level": record.level,
        "summary": record.sentence,
        "champion": record.version or "none",
        "rows": record.rows,
    }
    if record.correlation is not None:
        metadata["rank_correlation"] = record.correlation
    if record.features:
        metadata["features"] = rows_table(
            [
                {
                    "feature": one.feature,
                    "holdout_rank": one.judged_rank,
                    "rank": one.rank,
                    "rank_interval": f"{one.rank_low} to {one.rank_high}",
                    "holdout_share": one.judged,
                    "share": one.recent,
                    "share_interval": f"{one.low:.3f} to {one.high:.3f}",
                    "moved": one.has_moved,
                }
                for one in record.features
            ]
        )
    return Display(metadata, digest({"sentence": record.sentence, "version": record.version}))


def performance(record: PerformanceReport, _: ModelSpec, __: Platform) -> Display:
    """Show the metrics of each window, and the newest ones as numbers that plot over time.

    Args:
        record: The stage's record.

    Returns:
        Metadata and data version.
    """
    rows = [
        {
            "until": window.end.isoformat(),
            "state": window.state,
            **({} if window.restated_from is None else {f"{record.primary}_before": window.restated_from}),
            "predictions": window.predictions,
            "labels": f"{window.maturity:.0%}",
            **window.metrics,
            **{f"naive_{name}": value for name, value in window.naive.items()},
            **({} if window.estimated is None else {f"estimated_{record.primary}": window.estimated}),
            **{f"kpi_{name}": value for name, value in window.kpis.items()},
            **({} if window.coverage is None else {"coverage": window.coverage}),
        }
        for window in record.windows
    ]
    metadata: Metadata = {
        "level": record.level,
        "summary": record.sentence,
        "champion": record.version or "none",
    }
    if rows:
        columns = list(dict.fromkeys(name for row in rows for name in row))
        metadata["windows"] = rows_table([{name: row.get(name, "") for name in columns} for row in rows])
    if record.slices:
        metadata["slices"] = rows_table(
            [
                {"column": one.column, "slice": one.name, "rows": one.rows, record.primary: one.value}
                for one in record.slices
            ]
        )
    newest = record.newest_mature
    metadata |= {f"live_{name}": value for name, value in (newest.metrics if newest else {}).items()}
    metadata |= {f"kpi_{name}": value for name, value in (newest.kpis if newest else {}).items()}
    for name in ("rise", "week_over_week", "estimate_error"):
        value = getattr(record, name)
        if value is not None:
            metadata[name] = value
    if record.labels is not None:
        metadata["labels"] = rows_table([_version_row(record.labels)])
    return Display(metadata, digest({"windows": rows, "version": record.version}))


def health(record: HealthReport, _: ModelSpec, __: Platform) -> Display:
    """Show the diagnosis, what to do next, and the facts behind it.

    Args:
        record: The stage's record.

    Returns:
        Metadata and data version.
    """
    metadata: Metadata = {
        "health": record.diagnosis.replace("_", " "),
        "summary": record.sentence,
        "champion": record.version or "none",
    }
    if record.advice:
        metadata["next"] = record.advice
    if record.facts:
        metadata["facts"] = rows_table(
            [
                {
                    "about": one.name,
                    "state": one.state,
                    "observed": one.sentence,
                    "at": f"{one.at:%Y-%m-%d %H:%M}" if one.at else "never",
                }
                for one in record.facts
            ]
        )
    return Display(metadata, digest({"health": record.diagnosis, "version": record.version}))


def monitoring(record: MonitoringReport, spec: ModelSpec, platform: Platform) -> Display:
    """Show where the page is, and what it says first.

    Args:
        record: What the page shows.
        spec: The model.
        platform: The open stores, for the address of the page.

    Returns:
        Metadata and data version.
    """
    metadata: Metadata = {
        "page": page_link(platform, page_links.monitoring_path(spec.name)),
        "health": record.health.diagnosis.replace("_", " "),
        "summary": record.health.sentence,
    }
    return Display(metadata, digest({"as_of": record.as_of.isoformat()}))


def _version_row(table: TableVersion) -> dict[str, Any]:
    return {
        "table": table.table,
        "version": table.version,
        "rows": table.rows,
        "content": table.content_hash[:12],
    }


def _mlflow(record: TrainedModel, platform: Platform) -> Metadata:
    if record.mlflow_run_id is None:
        return {}
    link = platform.registry.run_url(record.mlflow_run_id, platform.settings.mlflow_url)
    return {"mlflow_run": dg.MetadataValue.url(link) if link else record.mlflow_run_id}

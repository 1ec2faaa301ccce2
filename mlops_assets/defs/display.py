"""Records as a person wants to see them in the Dagster UI: counts, tables, plots, links, and the data version.

Numbers are computed in the packages below; here they are only laid out. What watches a champion is in
`monitoring_display`.
"""

from pathlib import Path

import dagster as dg

from mlops_assets import stages
from mlops_assets.artifacts import (
    Outcome,
    TrainedModel,
    digest,
)
from mlops_assets.defs.metadata import (
    Display,
    Metadata,
    feature_lineage,
    inlined_report,
    metric_numbers,
    page_link,
    rows_table,
    table_version,
    version_row,
)
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.records import (
    FeaturesRecord,
    PredictionsRecord,
    PromotionRecord,
    ReadingsRecord,
    ReportRecord,
    ValidatedRecord,
)
from mlops_assets.model_file import ModelSpec

OUTCOMES: dict[Outcome, str] = {"promote": "promoted", "keep": "kept", "refuse": "refused"}


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
        "data": rows_table([version_row(table) for table in record.data]),
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


def _mlflow(record: TrainedModel, platform: Platform) -> Metadata:
    if record.mlflow_run_id is None:
        return {}
    link = platform.registry.run_url(record.mlflow_run_id, platform.settings.mlflow_url)
    return {"mlflow_run": dg.MetadataValue.url(link) if link else record.mlflow_run_id}

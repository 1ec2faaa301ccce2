"""Records as a person wants to see them in the Dagster UI: counts, tables, plots, links, and the data version.

Numbers are computed in the packages below; here they are only laid out.
"""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg

from mlops_assets.artifacts import DriftReport, Outcome, TableVersion, TrainedModel, digest
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

Metadata = dict[str, Any]
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
)
"""What the stages return."""
OUTCOMES: dict[Outcome, str] = {"promote": "promoted", "keep": "kept", "refuse": "refused"}


@dataclass(frozen=True, slots=True)
class Display:
    """Metadata and data version of one materialization; not materialized when the stage changed nothing by design."""

    metadata: Metadata
    data_version: str
    materialized: bool = True


def rows_table(rows: Iterable[Mapping[str, Any]]) -> dg.MetadataValue:
    """Return rows of plain values as a table; other values are shown as text, and missing ones stay empty.

    Args:
        rows: Rows with any values.

    Returns:
        A table; the column types come from the values.
    """
    plain = (str, int, float, bool, type(None))
    records = [
        {key: value if isinstance(value, plain) else str(value) for key, value in row.items()} for row in rows
    ]
    columns: dict[str, str] = {}
    for record in records:
        for key, value in record.items():
            if value is not None:
                columns.setdefault(key, dg.TableMetadataValue.infer_column_type(value))
    names = list(dict.fromkeys(key for record in records for key in record))
    schema = dg.TableSchema(columns=[dg.TableColumn(name, columns.get(name, "string")) for name in names])
    filled = [dg.TableRecord({name: record.get(name) for name in names}) for record in records]
    return dg.MetadataValue.table(filled, schema)


def readings(record: ReadingsRecord, _: Platform) -> Display:
    """Show source, rows and every cleaning step of the readings.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

    Returns:
        Metadata and data version.
    """
    repairs = [{"repair": r.name, "column": r.column or "", "count": r.count} for r in record.repairs]
    extra: Metadata = {"source": record.source, "as_of": record.as_of.isoformat()}
    if repairs:
        extra["repairs"] = rows_table(repairs)
    return Display({**_table(record.table), **extra}, record.table.content_hash)


def validated(record: ValidatedRecord, _: Platform) -> Display:
    """Show usable rows, quarantined rows, and the rules that failed.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

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
    return Display({**_table(record.table), **extra}, record.table.content_hash)


def quality(record: QualityRecord, _: Platform) -> Display:
    """Show the results of Great Expectations, with a link to its pages.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

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
        "data_docs": dg.MetadataValue.path(f"{record.docs}/index.html"),
        "rules": rows_table(results),
    }
    return Display(metadata, digest({"answers": results}))


def features(record: FeaturesRecord, _: Platform) -> Display:
    """Show rows and names of the feature columns.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

    Returns:
        Metadata and data version.
    """
    return Display(
        {
            **_table(record.table),
            "features": len(record.names),
            "feature_names": dg.MetadataValue.json(list(record.names)),
        },
        record.table.content_hash,
    )


def trained(record: TrainedModel, platform: Platform) -> Display:
    """Show the candidates next to each other, and the link to the MLflow run.

    Args:
        record: The stage's record.
        platform: The open stores, for the run's URL.

    Returns:
        Metadata and data version.
    """
    candidates = [
        {
            "algorithm": c.algorithm,
            "status": c.status,
            "seconds": round(c.seconds, 2),
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


def evaluated(record: ReportRecord, _: Platform) -> Display:
    """Show verdict, gate table, metrics compared with the champion's, and the plots.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

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
        "report": dg.MetadataValue.path(str(folder / "report.html")),
        "evidence": record.evidence_hash,
        **{f"plot/{name}": _picture(folder / f"{name}.png") for name in record.plots},
    }
    return Display(metadata, record.evidence_hash)


def promoted(record: PromotionRecord, _: Platform) -> Display:
    """Show the decision on the challenger.

    A champion that stayed is materialized again under the same data version.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

    Returns:
        Metadata and data version.
    """
    metadata: Metadata = {
        "outcome": OUTCOMES[record.decision.outcome],
        "reason": record.decision.reason,
        "challenger": record.version,
        "champion": record.champion or "none",
        "revision": record.revision,
        "evidence": record.evidence_hash,
    }
    return Display(metadata, f"{record.champion}-{record.revision}", materialized=record.champion is not None)


def predicted(record: PredictionsRecord, _: Platform) -> Display:
    """Show how many rows were predicted, and by which version.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

    Returns:
        Metadata and data version.
    """
    return Display(
        {**_table(record.table), "champion": record.version, "new_rows": record.new_rows},
        record.table.content_hash,
    )


def drift(record: DriftReport, _: Platform) -> Display:
    """Show the movement of each feature, worst first.

    Args:
        record: The stage's record.
        _: The platform; not used, all functions of the table have one signature.

    Returns:
        Metadata and data version.
    """
    rows = [
        {
            "feature": feature.feature,
            "method": feature.method,
            "value": "unmeasurable" if feature.value is None else round(feature.value, 4),
            "level": feature.level,
            "reason": feature.reason,
        }
        for feature in record.features
    ]
    metadata: Metadata = {
        "level": record.level,
        "dagster/row_count": record.rows,
        "champion": record.version or "none",
    }
    if rows:
        metadata["features"] = rows_table(rows)
    for name in ("mean_value", "drifted_share"):
        value = getattr(record, name)
        if value is not None:
            metadata[name] = value
    return Display(metadata, digest({"level": record.level, "features": rows, "version": record.version}))


def _table(table: TableVersion) -> Metadata:
    return {
        "dagster/row_count": table.rows,
        "columns": len(table.columns),
        "table_version": table.version,
        "content_hash": table.content_hash,
    }


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
    link = platform.registry.run_url(record.mlflow_run_id)
    return {"mlflow_run": dg.MetadataValue.url(link) if link else record.mlflow_run_id}


def _picture(file: Path) -> dg.MetadataValue:
    encoded = base64.b64encode(file.read_bytes()).decode()
    return dg.MetadataValue.md(f"![{file.stem}](data:image/png;base64,{encoded})")

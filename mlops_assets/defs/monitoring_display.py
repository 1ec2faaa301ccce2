"""Records of what watches a champion as a person wants to see them in the Dagster UI.

Numbers are computed in the packages below; here they are only laid out. The stages of the lifecycle are in `display`.
"""

from dataclasses import asdict
from typing import Any

from mlops_assets.artifacts import (
    DriftReport,
    FeatureDrift,
    HealthReport,
    ImportanceReport,
    MonitoringReport,
    PerformanceReport,
    digest,
)
from mlops_assets.defs.metadata import Display, Metadata, page_link, rows_table, version_row
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.records import QualityRecord
from mlops_assets.model_file import ModelSpec


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
        metadata["readings"] = rows_table([version_row(record.table)])
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
        metadata["labels"] = rows_table([version_row(record.labels)])
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

"""The monitoring report of one model: gathered from the ledger, written as a page and as JSON.

Comes in: the open stores and a model file. Goes out: a record, and two files below `home`. The page is drawn in
`reports` and served by `review`.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Final

import polars as pl

from mlops_assets import reports, stages
from mlops_assets.artifacts import DriftReport, MonitoringReport, PerformanceReport, from_json, to_json
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.health import health_of
from mlops_assets.lifecycle.platform import Platform, known_record
from mlops_assets.lifecycle.production_rows import production_rows
from mlops_assets.metrics import Bounds, Scored
from mlops_assets.model_file import ModelSpec

PAGE: Final = "index.html"
EXPORT: Final = "monitoring.json"
MOST_REPORTS: Final = 60
"""Drift reports in the picture of drift over time: two months of daily ones."""
MOST_DRAWN: Final = 300


def monitoring_report(spec: ModelSpec, platform: Platform, as_of: datetime) -> MonitoringReport:
    """Gather the newest reports of a model.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        as_of: Present instant, with a zone.

    Returns:
        The record.
    """
    health = health_of(platform, [spec], as_of)[spec.name]
    performance = known_record(platform, spec, stages.PERFORMANCE_REPORT, PerformanceReport)
    bodies = platform.ledger.newest_records(f"{spec.name}/{stages.DRIFT_REPORT}", MOST_REPORTS)
    drift = [from_json(DriftReport, body) for body in bodies]
    return MonitoringReport(
        spec.name,
        as_of,
        health,
        performance if performance is not None and performance.version == health.version else None,
        tuple(one for one in drift if one.version is not None and one.version == health.version),
    )


def write_monitoring_report(spec: ModelSpec, platform: Platform, as_of: datetime) -> MonitoringReport:
    """Write the page and the JSON export of a model.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        as_of: Present instant, with a zone.

    Returns:
        The record that was written.
    """
    report = monitoring_report(spec, platform, as_of)
    rows = _newest_rows(spec, platform, report)
    entity = _most_frequent(rows) if spec.entity and spec.problem != "classification" else ""
    drawn = rows.filter(pl.col("entity") == entity) if entity else rows
    drawn = drawn.tail(MOST_DRAWN) if spec.problem != "classification" else drawn
    scored = _scored(spec, drawn) if drawn.height else None
    plots = reports.monitoring_plots(spec, report, scored, drawn["at"].to_list(), entity)
    folder = monitoring_folder(platform, spec.name)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EXPORT).write_text(json.dumps(to_json(report), indent=1), encoding="utf-8")
    (folder / PAGE).write_text(
        reports.monitoring_html(spec, report, plots, _links(spec, platform, report)), encoding="utf-8"
    )
    return report


def monitoring_folder(platform: Platform, model: str) -> Path:
    """Return the folder of a model's monitoring report.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        A folder below `home`; it need not exist.
    """
    return platform.settings.home / "reports" / model / "monitoring"


def _links(spec: ModelSpec, platform: Platform, report: MonitoringReport) -> list[tuple[str, str]]:
    """Return links to related pages: relative ones, which the review page serves."""
    links = [("Great Expectations' pages", page_links.data_quality_path(spec.name))]
    evidence = platform.ledger.evidence_of(spec.name, report.version) if report.version else ()
    if evidence:
        path = page_links.gate_report_path(spec.name, evidence[0].hash)
        links.insert(0, (f"gate report of version {report.version}", path))
    return links


def _newest_rows(spec: ModelSpec, platform: Platform, report: MonitoringReport) -> pl.DataFrame:
    """Return the predictions of the newest windows with their labels, by instant; classes only where they arrived."""
    performance = report.performance
    if report.version is None or performance is None or not performance.windows:
        return pl.DataFrame(schema={"entity": pl.String(), "at": pl.Datetime("us", "UTC")})
    since = min(window.start for window in performance.windows[:2])
    rows = production_rows(spec, platform, report.version, since, report.as_of, performance.labels).sort("at")
    return rows.filter(pl.col("actual").is_not_null()) if spec.problem == "classification" else rows


def _most_frequent(rows: pl.DataFrame) -> str:
    if rows.is_empty():
        return ""
    return str(rows["entity"].value_counts().sort("count", "entity", descending=[True, False])["entity"][0])


def _scored(spec: ModelSpec, rows: pl.DataFrame) -> Scored:
    if spec.problem == "classification":
        classes = tuple(sorted({*rows["actual"].to_list(), *rows["label"].to_list()} - {None}))
        codes = {name: float(index) for index, name in enumerate(classes)}
        truth, predicted = (
            rows[name].replace_strict(codes, default=-1.0, return_dtype=pl.Float64).to_numpy()
            for name in ("actual", "label")
        )
        return Scored(truth, predicted, None, None, classes)
    truth, predicted, naive, low, high = (
        rows[name].to_numpy() for name in ("actual", "value", "naive", "low", "high")
    )
    level = spec.training.interval
    return Scored(truth, predicted, None, naive, bounds=Bounds(level, low, high) if level else None)

"""The weekly report: one verdict per model, promised against delivered, cost, and alerts that nobody acknowledged.

Comes in: the open stores, model files, what the runs cost. Goes out: a record, a page and a mail. Whether a champion
is the best available is decided in `monitoring`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from mlops_assets import monitoring, reports, stages
from mlops_assets.artifacts import (
    Evidence,
    ModelWeek,
    OpenAlert,
    PerformanceReport,
    RunCost,
    WeekReport,
    from_json,
    to_json,
)
from mlops_assets.lifecycle import page_links
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.approvals import verdicts
from mlops_assets.lifecycle.delivery import calibration, deliveries
from mlops_assets.lifecycle.health import health_of
from mlops_assets.lifecycle.platform import Platform, Run, known_record
from mlops_assets.model_file import ModelSpec
from mlops_assets.monitoring.still_best import LastComparison

WEEK: Final = timedelta(days=7)
RECORD: Final = "platform/weekly_report"
"""Name of the record of the newest report."""
PAGE: Final = "index.html"
EXPORT: Final = "week.json"
MOST_ALERTS: Final = 20
COMPARED: Final = ("promoted", "kept", "refused")


def week_report(
    specs: Sequence[ModelSpec], platform: Platform, run: Run, costs: Mapping[str, RunCost]
) -> WeekReport:
    """Return the report of the seven days that end now.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        run: The run; its `as_of` is the end of the week.
        costs: What the runs of each model cost, by model.

    Returns:
        The report.
    """
    end = run.as_of
    waiting = {one.model: one.evidence.version for one in verdicts.waiting(specs, platform, run) if one.waits}
    health = health_of(platform, specs, end)
    measured = {spec.name: deliveries(platform, spec.name) for spec in specs}
    models = []
    for spec in sorted(specs, key=lambda one: one.name):
        version = health[spec.name].version
        delivery = measured[spec.name].get(version) if version is not None else None
        verdict, reason = monitoring.still_best(
            spec,
            health[spec.name],
            known_record(platform, spec, stages.PERFORMANCE_REPORT, PerformanceReport),
            delivery,
            _last_comparison(platform, spec.name),
            waiting.get(spec.name),
            end,
        )
        models.append(
            ModelWeek(
                spec.name,
                version,
                verdict,
                reason,
                health[spec.name].diagnosis,
                delivery.sentence if delivery else "",
                _with_trainings(platform, spec.name, end, costs.get(spec.name, RunCost())),
                len(platform.ledger.alerts(spec.name, open_only=True)),
            )
        )
    every = [one for of_model in measured.values() for one in of_model.values()]
    return WeekReport(end - WEEK, end, tuple(models), _open_alerts(platform), calibration(every))


def send_week_report(
    specs: Sequence[ModelSpec], platform: Platform, run: Run, costs: Mapping[str, RunCost]
) -> WeekReport:
    """Write the page, record the report and send one message about all models to the platform's addresses.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        run: The run; its `as_of` is the end of the week.
        costs: What the runs of each model cost, by model.

    Returns:
        The report.
    """
    report = week_report(specs, platform, run, costs)
    write_week_report(platform, report)
    platform.ledger.put_record(RECORD, run.id, to_json(report), run.now())
    address = page_links.link(platform.settings, page_links.WEEK_PATH)
    text = reports.week_text(report) + (f"\n\n{address}" if address else "")
    send_alert(
        platform, "weekly_report", text, key=f"week/{report.end:%G-W%V}", at=run.now(), progress=run.progress
    )
    close_alert(
        platform, "weekly_report", None, run.now()
    )  # a message, nothing that somebody must acknowledge
    return report


def write_week_report(platform: Platform, report: WeekReport) -> Path:
    """Write the page and the JSON export.

    Args:
        platform: The open stores and settings.
        report: The report.

    Returns:
        Path of the page.
    """
    folder = week_folder(platform)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / EXPORT).write_text(json.dumps(to_json(report), indent=1), encoding="utf-8")
    page = folder / PAGE
    page.write_text(reports.week_html(report), encoding="utf-8")
    return page


def week_folder(platform: Platform) -> Path:
    """Return the folder of the weekly report.

    Args:
        platform: The open stores and settings.

    Returns:
        A folder below `home`; it need not exist.
    """
    return platform.settings.home / "reports" / "week"


def _last_comparison(platform: Platform, model: str) -> LastComparison | None:
    entry = next((one for one in platform.ledger.history(model, None) if one.action in COMPARED), None)
    if entry is None:
        return None
    decided = True
    if entry.evidence_hash is not None:
        evidence = from_json(Evidence, platform.ledger.evidence(entry.evidence_hash).body)
        decided = all(
            gate.verdict != "not_enough_evidence" for gate in evidence.gates if gate.kind in COMPARING
        )
    return LastComparison(entry.version, entry.at, entry.action, entry.reason, decided)


COMPARING: Final = ("beats_champion",)
"""Kinds of gates that compare a challenger with the champion."""


def _with_trainings(platform: Platform, model: str, end: datetime, cost: RunCost) -> RunCost:
    versions = [one for one in platform.ledger.versions(model) if end - WEEK <= one.created_at < end]
    seconds = 0.0
    for version in versions:
        for evidence in platform.ledger.evidence_of(model, version.version)[:1]:
            seconds += from_json(Evidence, evidence.body).training_seconds
    return replace(cost, trainings=len(versions), training_seconds=seconds)


def _open_alerts(platform: Platform) -> tuple[OpenAlert, ...]:
    groups: dict[str, OpenAlert] = {}
    for one in platform.ledger.alerts(open_only=True, limit=1_000):  # newest first
        known = groups.get(one.group)
        newest = OpenAlert(one.id, one.model, one.severity, one.message, 1, one.at)
        groups[one.group] = newest if known is None else replace(known, times=known.times + 1, since=one.at)
    return tuple(sorted(groups.values(), key=lambda alert: alert.since)[:MOST_ALERTS])

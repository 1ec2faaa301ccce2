"""Performance of the champion in production: predictions joined with the labels that have arrived."""

from __future__ import annotations

from datetime import datetime

from mlops_assets import monitoring, retraining, stages
from mlops_assets.artifacts import Evidence, PerformanceReport, WindowPerformance, from_json
from mlops_assets.artifacts.performance import PerformanceLevel, RecordedValue
from mlops_assets.ledger import Performance
from mlops_assets.lifecycle.alerts import send_alert
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, record_of
from mlops_assets.lifecycle.production_rows import production_rows
from mlops_assets.lifecycle.records import ValidatedRecord
from mlops_assets.model_file import ModelSpec

LIVE = "live"
"""Part of `model_performance` that production measured."""


def report_performance(spec: ModelSpec, platform: Platform, run: Run) -> PerformanceReport:
    """Measure the champion's predictions of the last windows against their labels.

    `model_performance` keeps what was measured about each window; mature ones leave signals of error and bias for the
    retrain governor.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The report; level `no_champion` without a champion.
    """
    champion = platform.ledger.champion(spec.name)
    if champion is None:
        report = _empty(spec, run, "no_champion", "there is no champion", None)
    else:
        report = _measure(spec, platform, run, champion.version)
        _record(platform, report)
        signals = [retraining.error_signal(spec, report), retraining.bias_signal(spec, report)]
        platform.ledger.record_signals([signal for signal in signals if signal is not None], run.now())
        _tell(spec, platform, report, run)
    run.progress(f"performance: {report.sentence}")
    if report.newest_mature is not None and (
        absent := sorted({*spec.monitoring.kpis} - {*report.newest_mature.kpis})
    ):
        run.progress(f"monitoring.kpis: no finite number, or an unknown column: {', '.join(absent)}")
    keep_record(platform, spec, stages.PERFORMANCE_REPORT, run, report)
    return report


def _measure(spec: ModelSpec, platform: Platform, run: Run, version: int) -> PerformanceReport:
    validated = record_of(platform, spec, stages.VALIDATED_DATA, run.id, ValidatedRecord)
    evidence = newest_evidence(platform, spec.name, version)
    baseline = (
        evidence.evaluation.challenger.get("test", {}).get(spec.evaluation.primary) if evidence else None
    )
    since = run.as_of - (monitoring.MOST_WINDOWS + 1) * spec.monitoring.window
    recorded = _recorded(spec, platform, version, since, run.as_of)
    if (
        evidence is not None
    ):  # what it predicts about its own training and holdout is not performance in production
        since = max(since, evidence.as_of)
    return monitoring.performance(
        spec,
        version,
        production_rows(spec, platform, version, since, run.as_of, validated.table),
        run.as_of,
        baseline=baseline,
        recorded=recorded,
        table=validated.table,
    )


def _recorded(
    spec: ModelSpec, platform: Platform, version: int, since: datetime, as_of: datetime
) -> dict[datetime, list[RecordedValue]]:
    """Return what earlier reports measured, by the end of the window; other lengths are other windows."""
    windows: dict[datetime, list[RecordedValue]] = {}
    for row in platform.ledger.performance(
        spec.name, metric=spec.evaluation.primary, split=LIVE, since=since
    ):
        if (
            row.version == version
            and row.window == spec.monitoring.window
            and row.measured_at is not None
            and row.measured_at < as_of
        ):
            value = RecordedValue(row.measured_at, row.value, row.rows, row.state)
            windows.setdefault(row.at, []).append(value)
    return windows


def newest_evidence(platform: Platform, model: str, version: int) -> Evidence | None:
    """Return what was measured when a version was last judged.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        version: Number of the version.

    Returns:
        The newest evidence; None for a version that was never judged.
    """
    newest_first = platform.ledger.evidence_of(model, version)
    return from_json(Evidence, newest_first[0].body) if newest_first else None


def _record(platform: Platform, report: PerformanceReport) -> None:
    assert report.version is not None
    platform.ledger.record_performance(
        [
            Performance(
                *(report.model, report.version, window.end, metric, LIVE, value, window.labelled),
                window=window.end - window.start,
                state=window.state,
                measured_at=report.as_of,
            )
            for window in report.windows
            for metric, value in _figures(window).items()
        ]
    )


def _figures(window: WindowPerformance) -> dict[str, float]:
    """Return what enters the trend: the metrics, and business figures as `kpi_NAME`."""
    return {**window.metrics, **{f"kpi_{name}": value for name, value in window.kpis.items()}}


def _tell(spec: ModelSpec, platform: Platform, report: PerformanceReport, run: Run) -> None:
    """Send the alert of a rise above the window before; once for each window."""
    window, rise = report.newest_mature, report.week_over_week
    if window is None or rise is None or rise <= monitoring.WEEK_OVER_WEEK:
        return
    send_alert(
        platform,
        "performance_week",
        f"{report.primary} rose by {rise:.0%} from one window to the next; {report.sentence}",
        key=f"performance/{spec.name}/{report.version}/{window.end.isoformat()}",
        spec=spec,
        group=f"performance_week/{spec.name}",
        at=run.now(),
        progress=run.progress,
    )


def _empty(
    spec: ModelSpec, run: Run, level: PerformanceLevel, sentence: str, version: int | None
) -> PerformanceReport:
    return PerformanceReport(spec.name, version, run.as_of, level, sentence, spec.evaluation.primary)

"""The health of one model, recorded: broken inputs hold retrains back, a new diagnosis is an alert."""

from __future__ import annotations

from mlops_assets import monitoring, stages
from mlops_assets.artifacts import DriftReport, HealthReport, Signal
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.health import health_of
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, known_record
from mlops_assets.model_file import ModelSpec

INPUTS = "inputs"
"""Subject of the data-quality signal about the champion's inputs."""


def report_health(spec: ModelSpec, platform: Platform, run: Run) -> HealthReport:
    """Diagnose the champion from the newest reports, and record what follows from it.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The diagnosis.
    """
    drift = known_record(platform, spec, stages.DRIFT_REPORT, DriftReport)
    if drift is not None:
        broken = monitoring.broken_inputs(drift)
        signal = Signal(spec.name, "data_quality", drift.as_of, bool(broken), subject=INPUTS, reason=broken)
        platform.ledger.record_signals([signal], run.now())
    before = known_record(platform, spec, stages.MODEL_HEALTH, HealthReport)
    report = health_of(platform, [spec], run.as_of)[spec.name]
    run.progress(f"health: {report.diagnosis.replace('_', ' ')}: {report.sentence}")
    if before is None or (before.diagnosis, before.version) != (report.diagnosis, report.version):
        close_alert(platform, "model_health", spec.name, run.now())
        if report.needs_attention:
            send_alert(
                platform,
                "model_health",
                f"{report.sentence}. Next: {report.advice}",
                key=f"health/{spec.name}/{report.version}/{report.diagnosis}/{run.as_of.isoformat()}",
                spec=spec,
                group=f"model_health/{spec.name}/{report.diagnosis}",
                at=run.now(),
                progress=run.progress,
            )
    keep_record(platform, spec, stages.MODEL_HEALTH, run, report)
    return report

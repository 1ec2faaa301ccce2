"""Watching the champion: how far the newest readings have moved from its training data, and what asks for a retrain."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import polars as pl

from mlops_assets import features, monitoring, readings, retraining, stages, validation
from mlops_assets.artifacts import DriftReport
from mlops_assets.lifecycle.champions import champion_profile
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, known_record
from mlops_assets.retraining import RetrainRequest, State, Trigger
from mlops_assets.spec import ModelSpec


def report_drift(spec: ModelSpec, platform: Platform, run: Run) -> DriftReport:
    """Compare the newest `monitoring.window` of readings with the champion's training profile, feature by feature."""
    standing = platform.ledger.standing(spec.name)
    profile = champion_profile(spec, platform)
    if standing.champion is None or profile is None:
        report = DriftReport(spec.name, None, 0, "no_champion", None, None, (), run.as_of)
    else:
        frame = _newest(spec, platform, run.as_of)
        report = monitoring.drift(spec, profile, standing.champion.version, frame, run.as_of)
    run.progress(f"drift: {report.level}")
    keep_record(platform, spec, stages.DRIFT_REPORT, run, report)
    return report


def drift_triggers(spec: ModelSpec, platform: Platform, now: datetime) -> list[Trigger]:
    """A trigger when the latest drift report of the present champion shows significant movement."""
    report = known_record(platform, spec, stages.DRIFT_REPORT, DriftReport)
    standing = platform.ledger.standing(spec.name)
    if report is None or standing.champion is None or report.version != standing.champion.version:
        return []
    if report.level != "significant":
        return []
    moved = [feature.feature for feature in report.features if feature.level == "significant"]
    reason = f"{len(moved)} of {len(report.features)} features moved by more than PSI {spec.monitoring.psi.act}: {', '.join(moved[:5])}"
    return [Trigger("drift", f"drift-v{report.version}-{standing.epoch}", reason)]


def staleness_triggers(spec: ModelSpec, platform: Platform, now: datetime) -> list[Trigger]:
    """A trigger when the champion was last compared with a challenger longer ago than `monitoring.stale_after`."""
    standing = platform.ledger.standing(spec.name)
    limit = spec.monitoring.stale_after
    last = next(iter(platform.ledger.history(spec.name, 1)), None)
    if standing.champion is None or limit is None or last is None or now - last.at <= limit:
        return []
    reason = f"no challenger was compared with version {standing.champion.version} for {(now - last.at).days} days"
    return [Trigger("staleness", f"stale-{last.id}", reason)]


def ask_for_retrain(
    spec: ModelSpec, platform: Platform, triggers: list[Trigger], now: datetime
) -> RetrainRequest | None:
    """Let the governor decide, then write the request down under its unique key. None when it was asked for before."""
    if not triggers:
        return None
    asked = platform.ledger.retrain_requests(spec.name, 1)
    state = State(asked[0].requested_at if asked else None, bool(platform.ledger.open_requests(spec.name)))
    made = retraining.govern(triggers, state, spec, now)
    if made is None:
        return None
    first = platform.ledger.request_retrain(spec.name, made.key, made.cause, {"reason": made.reason}, now)
    return made if first else None


def alert_failed_run(platform: Platform, run_id: str, model: str | None, reasons: Sequence[str], now: datetime) -> bool:
    """Write one alert per failed run. True for the first."""
    message = f"{model or 'a run'} failed: {'; '.join(reasons)}"
    return platform.ledger.raise_alert(
        f"run-{run_id}", model=model, kind="run_failed", severity="error", message=message, at=now
    )


def _newest(spec: ModelSpec, platform: Platform, as_of: datetime) -> pl.DataFrame:
    found = readings.read(spec, as_of=as_of, settings=platform.settings)
    valid = validation.validate(spec, found.frame, as_of=as_of, reference=None).valid
    frame = features.build(spec, valid)
    if spec.timestamp is None:
        return frame
    return frame.filter(pl.col(spec.timestamp) > as_of - spec.monitoring.window)

"""Watching the champion: how far the newest readings have moved from its training data, and what asks for a retrain."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from mlops_assets import features, monitoring, readings, retraining, stages, validation
from mlops_assets.artifacts import DriftReport
from mlops_assets.errors import LedgerError
from mlops_assets.lifecycle.model_loading import champion_profile
from mlops_assets.lifecycle.platform import Platform, Run, keep_record, known_record
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining import RetrainRequest, State, Trigger, drift_trigger, staleness_trigger


def report_drift(spec: ModelSpec, platform: Platform, run: Run) -> DriftReport:
    """Compare the newest `monitoring.window` of readings with the champion's training profile, per feature.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        run: The run: id, actor, clock, `as_of` and progress callback.

    Returns:
        The report; level `no_champion` without a champion.
    """
    champion_state = platform.ledger.champion_state(spec.name)
    profile = champion_profile(spec, platform)
    if champion_state.champion is None or profile is None:
        report = DriftReport(spec.name, None, 0, "no_champion", None, None, (), run.as_of)
    else:
        frame = _newest(spec, platform, run.as_of)
        report = monitoring.drift(
            spec,
            profile,
            champion_state.champion.version,
            frame,
            run.as_of,
            computed=features.computed_names(spec),
            from_clock=features.clock_names(spec),
        )
    run.progress(f"drift: {report.level}")
    keep_record(platform, spec, stages.DRIFT_REPORT, run, report)
    return report


def drift_triggers(spec: ModelSpec, platform: Platform, _now: datetime) -> list[Trigger]:
    """Return the trigger of the latest drift report.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        _now: Unused; all trigger functions have one signature.

    Returns:
        One trigger for significant drift in a report about the present champion, else none.
    """
    report = known_record(platform, spec, stages.DRIFT_REPORT, DriftReport)
    champion = platform.ledger.champion(spec.name)
    if report is None or champion is None or report.version != champion.version:
        return []
    return _some(drift_trigger(report))


def staleness_triggers(spec: ModelSpec, platform: Platform, now: datetime) -> list[Trigger]:
    """Return the trigger of a champion whose last comparison with a challenger is older than `stale_after`.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        now: Present time, with a zone.

    Returns:
        One trigger, or none.
    """
    champion = platform.ledger.champion(spec.name)
    compared = [e.at for e in platform.ledger.history(spec.name, None) if e.action in ("promoted", "kept")]
    return _some(
        staleness_trigger(
            spec,
            champion=champion.version if champion else None,
            last_compared=max(compared, default=None),
            now=now,
        )
    )


def ask_for_retrain(
    spec: ModelSpec, platform: Platform, triggers: list[Trigger], now: datetime
) -> RetrainRequest | None:
    """Let the governor merge the triggers and record its request under its key.

    Args:
        spec: The model file.
        platform: The open stores and settings.
        triggers: Triggers of this evaluation.
        now: Present time, with a zone.

    Returns:
        The new request; None when the governor makes none or it was made before.
    """
    if not triggers:
        return None
    earlier = platform.ledger.retrain_requests(spec.name, 1_000)
    made = retraining.govern(
        triggers,
        State(
            running=bool(platform.ledger.open_requests(spec.name)),
            last_requested=earlier[0].requested_at if earlier else None,
            known_keys=[request.key for request in earlier],
            failed=retraining.failed_tries([(one.key, one.state, one.finished_at) for one in earlier]),
        ),
        spec,
        now,
    )
    if made is None:
        return None
    detail = {"reason": made.reason, "causes": [trigger.cause for trigger in made.triggers]}
    return made if platform.ledger.request_retrain(spec.name, made.key, made.cause, detail, now) else None


def finish_request(
    platform: Platform, model: str, key: str, *, succeeded: bool, now: datetime, run_id: str | None = None
) -> bool:
    """Close the request that a run was made for, so that the next cause can make one.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        key: Key of the request.
        succeeded: Whether the run succeeded.
        now: Present time, with a zone.
        run_id: Id of the run.

    Returns:
        False when the request is unknown or was closed before.
    """
    try:
        platform.ledger.finish_request(model, key, "done" if succeeded else "failed", now, run_id)
    except LedgerError:
        return False
    return True


def _some(trigger: Trigger | None) -> list[Trigger]:
    return [] if trigger is None else [trigger]


def _newest(spec: ModelSpec, platform: Platform, as_of: datetime) -> pl.DataFrame:
    fetched = readings.read(spec, as_of=as_of, settings=platform.settings)
    valid = validation.validate(spec, fetched.frame, as_of=as_of, reference=None).valid
    frame = features.build(spec, valid)
    if spec.timestamp is None:
        return frame
    return frame.filter(pl.col(spec.timestamp) > as_of - spec.monitoring.window)

"""The alert of a failed run: one per run, whoever reports the failure first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from mlops_assets.lifecycle.alerts.send import send_alert
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec


def alert_failed_run(
    platform: Platform,
    run_id: str,
    spec: ModelSpec | None,
    reasons: Sequence[str],
    now: datetime,
) -> bool:
    """Send one alert per failed run.

    Runs that fail for the same reasons share a group: each is recorded, people get one message a day.

    Args:
        platform: The open stores and settings.
        run_id: Id of Dagster's run.
        spec: Model file of the run's model; None for a run of the platform.
        reasons: Error messages of the failed steps.
        now: Present time, with a zone.

    Returns:
        True for the first call about this run.
    """
    model = spec.name if spec else None
    message = f"{model or 'a run'} failed: {'; '.join(reasons)}"
    return send_alert(
        platform,
        "run_failed",
        f"{message} (Dagster run {run_id})",
        key=_key(run_id),
        spec=spec,
        group=f"run_failed/{model or 'platform'}/{'; '.join(reasons)}",
        at=now,
    )


def without_alert(platform: Platform, run_ids: Collection[str]) -> tuple[str, ...]:
    """Return the runs for which no alert was recorded.

    Args:
        platform: The open stores and settings.
        run_ids: Ids of Dagster's runs.

    Returns:
        The subset, in the order of `run_ids`.
    """
    known = platform.ledger.known_alerts([_key(run_id) for run_id in run_ids])
    return tuple(run_id for run_id in run_ids if _key(run_id) not in known)


def _key(run_id: str) -> str:
    return f"run-{run_id}"

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
    """Send one alert per failed run; return True for the first call about this run.

    Runs that fail for the same reasons share a group: each is recorded, people are told once a day.
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
    """Return those runs that no alert was recorded for, in their order."""
    known = platform.ledger.known_alerts([_key(run_id) for run_id in run_ids])
    return tuple(run_id for run_id in run_ids if _key(run_id) not in known)


def _key(run_id: str) -> str:
    return f"run-{run_id}"

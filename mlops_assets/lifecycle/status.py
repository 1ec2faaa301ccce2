"""The state of models as plain records: what `mlops status` prints and the public API returns.

Comes in: the open stores and model names. Goes out: one dict per model. Nothing is changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from mlops_assets import stages
from mlops_assets.artifacts import HealthReport, from_json
from mlops_assets.lifecycle.approvals.hold import hold_on
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.recovery.bundles import unknown_bundles
from mlops_assets.lifecycle.recovery.rollback_check import RollbackCheck, last_check


def status_records(platform: Platform, names: Sequence[str], now: datetime) -> list[dict[str, Any]]:
    """Return champion, health, last decision, alerts and rollback target of each model, also of models that never ran.

    Args:
        platform: the open stores.
        names: the models.
        now: the instant at which waivers and the health count.

    Returns:
        One record per model.
    """
    records = []
    for name in names:
        state = platform.ledger.champion_state(name)
        last = next(iter(platform.ledger.history(name, 1)), None)
        target = platform.ledger.rollback_target(name)
        check = last_check(platform, name)
        records.append(
            {
                "model": name,
                "champion": state.champion.version if state.champion else None,
                "since": state.champion.since if state.champion else None,
                "last_decision": None
                if last is None
                else {"action": last.action, "version": last.version, "at": last.at, "reason": last.reason},
                "health": _health(platform, name, state.champion.version if state.champion else None, now),
                "hold": hold.sentence if (hold := hold_on(platform, name)) else None,
                "waivers": [asdict(waiver) for waiver in platform.ledger.waivers(name, now)],
                "open_alerts": len(platform.ledger.alerts(name, open_only=True)),
                "rollback_to": target,
                "rollback_checked": _checked(check, target),
                "bundles_newer_than_ledger": list(unknown_bundles(platform, name)),
                "problem": None if last or platform.ledger.versions(name) else "never ran",
            }
        )
    return records


def _health(platform: Platform, name: str, champion: int | None, now: datetime) -> dict[str, Any] | None:
    """Return the recorded diagnosis of the champion; unknown when it is of another version or too old."""
    if champion is None:
        return None
    body = platform.ledger.get_record(f"{name}/{stages.MODEL_HEALTH}")
    report = from_json(HealthReport, body) if body else None
    if report is None or report.version != champion:
        sentence = f"version {champion} was not diagnosed yet"
        return {"diagnosis": "unknown", "sentence": sentence, "at": None}
    diagnosis = report.diagnosis if now < report.valid_until else "unknown"
    return {"diagnosis": diagnosis, "sentence": report.sentence, "at": report.as_of}


def _checked(check: RollbackCheck | None, target: int | None) -> dict[str, Any] | None:
    if check is None or target is None or check.version != target:
        return None
    return {"at": check.at, "ready": check.ready}

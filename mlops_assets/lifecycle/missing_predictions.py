"""Predictions that did not come: a model with a schedule and a champion whose newest batch is too old.

Comes in: model files, and how old the newest batch of each may be. Goes out: alerts, one per outage, closed by the
next batch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from mlops_assets import stages
from mlops_assets.lifecycle.alerts import close_alert, send_alert
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.model_file import ModelSpec

KIND: Final = "predictions_missing"


def report_missing_predictions(
    specs: Sequence[ModelSpec], platform: Platform, oldest: Mapping[str, timedelta], now: datetime
) -> int:
    """Send an alert for each model without a recent batch of predictions; close those that are over.

    A handful of queries, whatever the number of models.

    Args:
        specs: All model files.
        platform: The open stores and settings.
        oldest: Age of the newest batch from which it is missing, by model; models without a schedule are absent.
        now: Present time, with a zone.

    Returns:
        How many models miss predictions.
    """
    names = [spec.name for spec in specs if spec.name in oldest]
    if not names:
        return 0
    champions = platform.ledger.champions_since(names)
    batches = platform.ledger.record_times([f"{name}/{stages.PREDICTIONS}" for name in names])
    reported = {one.model for one in platform.ledger.open_alerts_of(KIND)}
    missing = 0
    for spec in specs:
        if spec.name not in champions or spec.name not in oldest:
            continue
        last = batches.get(f"{spec.name}/{stages.PREDICTIONS}")
        if now - max(filter(None, (last, champions[spec.name]))) > oldest[spec.name]:
            missing += 1
            since = f"since {last:%Y-%m-%d %H:%M} UTC" if last else "ever"
            send_alert(
                platform,
                KIND,
                f"{spec.name}: no batch of predictions {since}; the schedule is '{spec.schedules.predictions}' "
                f"({spec.schedules.timezone}). See: mlops logs {spec.name}",
                key=f"{KIND}/{spec.name}/{last.isoformat() if last else 'never'}",
                spec=spec,
                group=f"{KIND}/{spec.name}",
                at=now,
            )
        elif spec.name in reported:
            close_alert(platform, KIND, spec.name, now)
    return missing

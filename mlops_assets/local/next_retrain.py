"""What `mlops up` states about runs that it will start by itself.

Comes in: the model files and the clock. Goes out: one sentence. Nothing is scheduled here.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim

from mlops_assets.model_file import ModelSpec


def schedules_sentence(specs: Sequence[ModelSpec], automatic: bool, now: datetime) -> str:
    """Return whether schedules start switched on, and which model is trained next.

    Args:
        specs: The model files.
        automatic: Whether schedules and the retrain governor start switched on.
        now: The present, with a time zone.

    Returns:
        One sentence, with how to choose the other.
    """
    if not automatic:
        return (
            "Schedules and the retrain governor start switched off: nothing is trained unless you run it or switch "
            "them on in Dagster, Automation"
        )
    upcoming = [
        (next(CronSim(cron, now.astimezone(ZoneInfo(spec.schedules.timezone)))), spec.name)
        for spec in specs
        if (cron := spec.schedules.retrain) is not None
    ]
    first = ""
    if upcoming:
        at, name = min(upcoming)
        first = f"; by its schedule {name} is trained next, on {at:%A, %Y-%m-%d at %H:%M %Z}"
    return f"Schedules and the retrain governor are on{first}. Start without them: mlops up --no-schedules"

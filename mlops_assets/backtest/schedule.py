"""Cron lines on the clock of a replay."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from cronsim import CronSim


def last_instant(cron: str | None, zone: str, before: datetime | None, at: datetime) -> datetime | None:
    """Return the last instant of a schedule after one instant and not after another.

    Args:
        cron: The cron line; None for a schedule that is off.
        zone: IANA name of the zone of the cron line.
        before: The instant before; None at the first one, where nothing was due yet.
        at: The present instant.

    Returns:
        The instant, or None.
    """
    if cron is None or before is None:
        return None
    last = None
    for instant in CronSim(cron, before.astimezone(ZoneInfo(zone))):
        if instant > at:
            break
        last = instant
    return last

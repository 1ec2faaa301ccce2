"""What promotions delivered, read back: history entries that name it, and one sentence about all of them.

Comes in: the ledger's history and the records that `stages.deliver` wrote. Goes out: text. Over many promotions this is
the calibration of the gates themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mlops_assets.artifacts import Delivery, from_json
from mlops_assets.ledger import HistoryEntry
from mlops_assets.lifecycle.platform import Platform


def deliveries(platform: Platform, model: str) -> dict[int, Delivery]:
    """Return the newest record of each promoted version.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        Record by version; versions without one are absent.
    """
    promoted = {one.version for one in platform.ledger.history(model, None) if one.action == "promoted"}
    bodies = {
        version: platform.ledger.get_record(delivery_key(model, version)) for version in sorted(promoted)
    }
    return {version: from_json(Delivery, body) for version, body in bodies.items() if body is not None}


def history_with_delivery(platform: Platform, model: str, limit: int | None) -> tuple[HistoryEntry, ...]:
    """Return the history, in which the reason of each promotion ends with what it delivered.

    Args:
        platform: The open stores and settings.
        model: Name of the model.
        limit: Largest number of entries; None for all.

    Returns:
        Entries, newest first.
    """
    known = deliveries(platform, model)
    return tuple(
        replace(entry, reason=f"{entry.reason}; {known[entry.version].sentence}")
        if entry.action == "promoted" and entry.version in known
        else entry
        for entry in platform.ledger.history(model, limit)
    )


def calibration(deliveries: Sequence[Delivery]) -> str:
    """Return one sentence about all promotions: how often the delivered gain lay within the promised interval.

    Args:
        deliveries: One per promotion.

    Returns:
        The sentence; empty without deliveries.
    """
    if not deliveries:
        return ""
    within = sum(one.within for one in deliveries)
    worse = sum(one.delivered.improvement < 0 for one in deliveries)
    count = len(deliveries)
    return (
        f"{count} promotion{'s' if count > 1 else ''} measured on later labels: {within} delivered what was promised, "
        f"{worse} {'was' if worse == 1 else 'were'} worse than the former champion"
    )


def delivery_key(model: str, version: int) -> str:
    """Return the name of the record of one promoted version.

    Args:
        model: Name of the model.
        version: The promoted version.

    Returns:
        Name of the record.
    """
    return f"{model}/delivery/{version}"

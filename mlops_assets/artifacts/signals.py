"""What reports, schedules and people say about a model: records that a retrain is decided on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

Cause = Literal[
    "manual",
    "schedule",
    "error",
    "bias",
    "drift",
    "importance",
    "data_volume",
    "upstream",
    "staleness",
    "data_quality",
    "defer",
]

CAUSES: Final[tuple[Cause, ...]] = (
    "manual",
    "schedule",
    "error",
    "bias",
    "drift",
    "importance",
    "data_volume",
    "upstream",
    "staleness",
)
"""Causes of a retrain, most telling first: the first cause of a merged request names it. `data_quality` and `defer`
request none: broken data and a person's deferral block the others."""


@dataclass(frozen=True, slots=True)
class Signal:
    """Stored. One observation of one cause: a window that was measured, a scheduled instant, a person's wish.

    Attributes:
        model: The model.
        cause: What was observed.
        at: End of the window, or the instant itself.
        active: Whether the observation asks for something; False records that a window was measured and is fine.
        subject: What it is about besides version, features and window: a metric and slice, a person.
        version: The champion that was measured; None where the cause does not depend on a version.
        features: The features that moved.
        start: Start of the window; None for an instant.
        reason: One sentence; empty unless active.
        mature: False while labels of the window are still arriving: such a performance says nothing yet.
        until: End of a deferral.
    """

    model: str
    cause: Cause
    at: datetime
    active: bool
    subject: str = ""
    version: int | None = None
    features: tuple[str, ...] = ()
    start: datetime | None = None
    reason: str = ""
    mature: bool = True
    until: datetime | None = None

    def repeats(self, earlier: Signal) -> bool:
        """Return whether this is the evidence of an earlier signal again.

        The same cause, subject and version; no feature that had not moved before; and, where both have a window, data
        that the earlier window overlaps. A scheduled instant and a person's wish repeat only themselves.

        Args:
            earlier: An earlier signal of the same model.

        Returns:
            False for new evidence.
        """
        if (self.cause, self.subject, self.version) != (earlier.cause, earlier.subject, earlier.version):
            return False
        if self.cause in ("manual", "schedule"):
            return self.at == earlier.at
        if not set(self.features) <= set(earlier.features):
            return False
        return self.start is None or self.start < earlier.at

"""What asks for a retrain, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Literal

from pydantic import JsonValue

Cause = Literal["manual", "performance", "drift", "staleness"]

CAUSES: Final[tuple[Cause, ...]] = ("manual", "performance", "drift", "staleness")
"""Most telling first: the first cause of a merged request names it."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """One reason to train again; stored.

    Two triggers with the same cause and subject are the same fact (a champion's drift, its age, one manual call).
    """

    cause: Cause
    subject: str
    reason: str
    at: datetime
    detail: dict[str, JsonValue] = field(default_factory=dict)
    mature: bool = True
    """False while labels are still arriving: such a performance says nothing yet."""


@dataclass(frozen=True, slots=True)
class RetrainRequest:
    """Stored. A retrain to be recorded under `key` and run once. cause is that of the first of its triggers."""

    model: str
    key: str
    cause: Cause
    reason: str
    at: datetime
    triggers: tuple[Trigger, ...]

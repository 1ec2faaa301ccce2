"""Records of watching production."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class FeatureDrift:
    """Stored. Movement of one feature; psi is None when it could not be measured (never 'no drift')."""

    feature: str
    psi: float | None
    level: Literal["stable", "moderate", "significant", "unmeasurable"]
    statistics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Stored. All features of one window against the champion's training profile."""

    model: str
    version: int | None
    rows: int
    level: Literal["stable", "moderate", "significant", "unmeasurable", "no_champion"]
    mean_psi: float | None
    drifted_share: float | None
    features: tuple[FeatureDrift, ...]
    as_of: datetime

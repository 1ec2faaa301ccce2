"""Records of a model's health: what is wrong with it, in one sentence, and the facts behind it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias

Diagnosis: TypeAlias = Literal[
    "healthy",
    "ageing",
    "early_warning",
    "concept_drift",
    "ageing_or_concept_drift",
    "broken_data",
    "unknown",
    "no_champion",
]
FactState: TypeAlias = Literal["good", "bad", "unknown"]


@dataclass(frozen=True, slots=True)
class Fact:
    """Stored. One thing that was observed about a model.

    Attributes:
        name: What was observed: data, error, importance, drift, bias or coverage.
        state: `unknown` for what was not measured, or too long ago; it never reads as good.
        sentence: What was observed.
        at: When; None for what was never measured.
    """

    name: str
    state: FactState
    sentence: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Stored. The diagnosis of one model.

    Attributes:
        model: The model.
        version: The champion's version; None without a champion.
        as_of: Instant of the diagnosis.
        diagnosis: broken_data comes before everything else; then error and importance decide together. Where the error
            rose and the importance is not known, it is ageing_or_concept_drift.
        sentence: The diagnosis, for people.
        valid_until: From then on the observations are too old: the health is unknown.
        advice: What to do next; empty where there is nothing to do.
        facts: The evidence, data first.
    """

    model: str
    version: int | None
    as_of: datetime
    diagnosis: Diagnosis
    sentence: str
    valid_until: datetime
    advice: str = ""
    facts: tuple[Fact, ...] = ()

    @property
    def needs_attention(self) -> bool:
        """Whether a person should look at the model."""
        return self.diagnosis not in ("healthy", "no_champion", "unknown")

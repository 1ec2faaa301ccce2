"""Root cause: the symptom that explains most of the others, ranked, each with its reasons.

A symptom explains another one when its component is below the other's in the graph of `components`. A cause that
appeared before what it explains ranks above one that appeared after it; equal ones rank by what is lower in the graph.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from mlops_assets.operations.healing.components import everything_below
from mlops_assets.operations.healing.symptoms import Symptom

UNKNOWN: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Cause:
    """A symptom that no other explains, and those that it explains. reasons: sentences; score: for the ranking."""

    component: str
    sentence: str
    explains: tuple[Symptom, ...]
    reasons: tuple[str, ...]
    score: float


def rank_causes(
    symptoms: Sequence[Symptom],
    since: Mapping[str, datetime] | None = None,
    unusual: Mapping[str, str] | None = None,
) -> tuple[Cause, ...]:
    """Return the causes, the likeliest first; every symptom is explained by exactly one.

    Args:
        symptoms: What is wrong.
        since: When each component's symptom appeared, where the history tells.
        unusual: A sentence for each component whose series differ from their history.

    Returns:
        One cause per symptom that nothing below explains.
    """
    since, unusual = since or {}, unusual or {}
    by_component = {one.component: one for one in symptoms}
    explained: dict[str, list[Symptom]] = {}
    for symptom in symptoms:
        explained.setdefault(_root(symptom.component, by_component, since), []).append(symptom)
    causes = [
        _cause(by_component[root], [one for one in group if one.component != root], since, unusual)
        for root, group in explained.items()
    ]
    return tuple(sorted(causes, key=lambda one: (-one.score, one.component)))


def _root(component: str, symptoms: Mapping[str, Symptom], since: Mapping[str, datetime]) -> str:
    """Walk down to the lowest component with a symptom; of several, the one that appeared first."""
    below = [one for one in everything_below(component) if one in symptoms and one != component]
    lowest = [one for one in below if not (everything_below(one) - {one}) & symptoms.keys()]
    if not lowest:
        return component
    return min(lowest, key=lambda one: (since.get(one, UNKNOWN), one))


def _cause(
    symptom: Symptom, others: Sequence[Symptom], since: Mapping[str, datetime], unusual: Mapping[str, str]
) -> Cause:
    component = symptom.component
    reasons = [symptom.sentence]
    score = 1.0 + len(others)
    if others:
        reasons.append(f"it explains {len(others)} more: {', '.join(one.component for one in others)}")
    begin = since.get(component, UNKNOWN)
    if others and component in since and all(since.get(one.component, UNKNOWN) >= begin for one in others):
        reasons.append(f"it appeared first, at {since[component]:%Y-%m-%d %H:%M} UTC")
        score += 1.0
    if component in unusual:
        reasons.append(unusual[component])
        score += 0.5
    return Cause(component, symptom.sentence, tuple(others), tuple(reasons), score)

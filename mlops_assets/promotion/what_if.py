"""Which past decisions would have gone otherwise under other gates, from stored evidence, without training anything.

The decision of the day follows from the recorded results. A gate whose rule has changed since, as when `by` became a
share of the gap to a metric's bound, shows what that changes, under the same model file.

Comes in: a changed model file and evidence records. Goes out: one `Flip` per decision that changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops_assets.artifacts import Decision, Evidence
from mlops_assets.model_file import ModelSpec
from mlops_assets.promotion.decision import decide, evaluate_gates, recorded_decision


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that other gates would have turned, with both reasons. Approvals and waivers are left out of both."""

    version: int
    before: Decision
    after: Decision

    def __str__(self) -> str:
        return f"v{self.version}: {self.before.outcome} -> {self.after.outcome} ({self.after.reason})"


def what_if(changed: ModelSpec, evidences: Iterable[Evidence]) -> tuple[Flip, ...]:
    """Evaluate the changed file's gates on every record; what was not measured then fails, as it would today.

    Args:
        changed: The model file with other gates.
        evidences: Stored records with their gate results.

    Returns:
        Decisions that would differ.
    """
    flips: list[Flip] = []
    for evidence in evidences:
        before = recorded_decision(evidence)
        gates = evaluate_gates(changed, replace(evidence, gates=()))
        after = decide(changed, gates, evidence.champion)
        if after.outcome != before.outcome:
            flips.append(Flip(evidence.version, before, after))
    return tuple(flips)

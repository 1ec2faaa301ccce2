"""Which past decisions would have gone otherwise under other gates, from stored evidence, without training anything.

Comes in: a changed model file and evidence records. Goes out: one `Flip` per decision that changes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from mlops_assets.artifacts import Decision, Evidence
from mlops_assets.model_file import ModelSpec
from mlops_assets.promotion.decision import ask, decide, recheck


@dataclass(frozen=True, slots=True)
class Flip:
    """A decision that other gates would have turned, with both reasons. People's answers are left out of both."""

    version: int
    before: Decision
    after: Decision

    def __str__(self) -> str:
        return f"v{self.version}: {self.before.outcome} -> {self.after.outcome} ({self.after.reason})"


def what_if(changed: ModelSpec, evidences: Iterable[Evidence]) -> tuple[Flip, ...]:
    """Ask the changed file's gates of every record. What was not measured then answers 'no', as it would today.

    Raises EvidenceError for a record whose own answers cannot be reproduced.
    """
    flips: list[Flip] = []
    for evidence in evidences:
        before = recheck(None, evidence)
        gates = ask(changed, replace(evidence, gates=()))
        after = decide(changed, gates, evidence.champion)
        if after.outcome != before.outcome:
            flips.append(Flip(evidence.version, before, after))
    return tuple(flips)

"""The hold after a rollback: nothing is promoted without a person, or a changed model file.

Comes in: a model's history and evidence. Goes out: a `Hold`, or None. A rollback says that the gates let something bad
through; the next challenger of the same model file on nearly the same data is its twin, and would pass them again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from mlops_assets.artifacts import Decision
from mlops_assets.ledger import Approval
from mlops_assets.lifecycle.platform import Platform


@dataclass(frozen=True, slots=True)
class Hold:
    """A model on hold since a rollback.

    Attributes:
        model: Name of the model.
        version: The version that was rolled back from last.
        actor: Who rolled back.
        reason: Why.
        since: When.
        spec_digests: Model files of every version that was rolled back from since the last promotion.
    """

    model: str
    version: int
    actor: str
    reason: str
    since: datetime
    spec_digests: frozenset[str]

    @property
    def sentence(self) -> str:
        """What people read."""
        return (
            f"on hold since {self.actor} rolled back from version {self.version} at {self.since:%Y-%m-%d %H:%M} UTC "
            f"({self.reason}): until a person approves a version or the model file changes, nothing is promoted"
        )


def hold_on(platform: Platform, model: str) -> Hold | None:
    """Return the hold on a model whose champion was rolled back since the last promotion.

    Args:
        platform: The open stores and settings.
        model: Name of the model.

    Returns:
        The hold, with the digests of the model files that were rolled back; None when there is none.
    """
    rollbacks = []
    for entry in platform.ledger.history(model, None):
        if entry.action == "promoted":
            break
        if entry.action == "rolled_back" and entry.from_version is not None:
            rollbacks.append(entry)
    if not rollbacks:
        return None
    digests = {
        str(evidence.body["spec_digest"])
        for entry in rollbacks
        for evidence in platform.ledger.evidence_of(model, entry.from_version or 0)
    }
    last = rollbacks[0]
    return Hold(model, last.from_version or 0, last.actor, last.reason, last.at, frozenset(digests))


def with_hold(
    decision: Decision, hold: Hold | None, spec_digest: str, approval: Approval | None, now: datetime
) -> tuple[Decision, bool]:
    """Apply a hold to a decision.

    Args:
        decision: What the gates and people say.
        hold: The hold on the model, or None.
        spec_digest: Digest of the model file that the challenger was trained with.
        approval: The verdict of a person on exactly this evidence.
        now: The present time, for approvals that expire.

    Returns:
        The decision, and whether nothing but a person's verdict is missing.
    """
    if decision.outcome != "promote" or hold is None or spec_digest not in hold.spec_digests:
        return decision, False
    if approval is None:
        return Decision("keep", hold.sentence, "hold"), True
    if approval.verdict == "approve" and (approval.expires_at is None or now < approval.expires_at):
        return decision, False
    return Decision("keep", f"{hold.sentence}; the approval of {approval.actor} has expired", "hold"), False

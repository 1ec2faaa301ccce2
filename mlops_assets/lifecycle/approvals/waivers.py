"""Waivers: a failed gate set aside for a while by an owner of the model.

Comes in: a model, a gate, an owner with a reason and an expiry. Goes out: the recorded waiver. A waiver is a bounded
exception: at most 30 days, never of a gate that asks whether the evidence can be trusted, and by two people unless the
model file says otherwise.
"""

from __future__ import annotations

from datetime import datetime

from mlops_assets.errors import LedgerError
from mlops_assets.ledger import LONGEST_WAIVER, Waiver
from mlops_assets.lifecycle.platform import Platform, Run
from mlops_assets.model_file import ModelSpec
from mlops_assets.model_file.gates import check_names
from mlops_assets.model_file.suggestion import did_you_mean
from mlops_assets.promotion import NEVER_WAIVED


def waive(
    spec: ModelSpec, platform: Platform, run: Run, gate: str, *, owner: str, reason: str, expires_at: datetime
) -> Waiver:
    """Set a gate of the model file aside until `expires_at`. The waiver is recorded and listed for good.

    Args:
        spec: The model file.
        platform: The open stores.
        run: Who records the waiver (`run.actor`, `run.uid`) and when.
        gate: Name of the gate.
        owner: One of the model file's owners, who is responsible for the waiver.
        reason: Why the gate does not count for now.
        expires_at: When it counts again, at most 30 days from now.

    Returns:
        The waiver as stored.

    Raises:
        LedgerError: For an unknown gate, one that is never waived, an owner whom the model file does not name, an owner
            who records the waiver without a second person, or a term that is missing or too long.
    """
    names = dict(zip(check_names(spec.gates), spec.gates, strict=True))
    if gate not in names:
        raise LedgerError(f"{spec.name} has no gate {gate!r}{did_you_mean(gate, names)}")
    kind = names[gate].kind
    if kind == "approval":
        raise LedgerError(
            f"the approval of {spec.name} cannot be waived; a person gives it: mlops approve {spec.name}"
        )
    if kind in NEVER_WAIVED:
        raise LedgerError(
            f"the gate {gate} of {spec.name} is never waived: it asks whether the evidence can be trusted. Fix its "
            "cause, or take the gate out of the model file in a reviewed change"
        )
    if owner not in spec.owners:
        raise LedgerError(
            f"{owner!r} is not an owner of {spec.name} (the model file names {', '.join(spec.owners)})"
            f"{did_you_mean(owner, spec.owners)}"
        )
    if is_same_person(owner, run.actor) and not spec.waivers.owner_may_waive:
        raise LedgerError(
            f"{run.actor} cannot record a waiver that {owner} is responsible for: a second person does, or the "
            "model file says 'waivers: {owner_may_waive: true}'"
        )
    if expires_at - run.now() > LONGEST_WAIVER:
        raise LedgerError(
            f"a waiver lasts at most {LONGEST_WAIVER.days} days; {expires_at:%Y-%m-%d} is later: give --expires 30d"
        )
    return platform.ledger.waive(
        spec.name,
        gate,
        owner=owner,
        reason=reason,
        at=run.now(),
        expires_at=expires_at,
        actor=run.actor,
        uid=run.uid,
    )


def is_same_person(owner: str, actor: str) -> bool:
    """Return whether an owner of a model file is the user who acts, ignoring case.

    Args:
        owner: Owner as in the model file: a name or an e-mail address.
        actor: Name of the user.

    Returns:
        True when the actor equals the owner or the part of the address before the @.
    """
    return actor.casefold() in (owner.casefold(), owner.partition("@")[0].casefold())


def waived_gate(waiver: Waiver) -> str:
    """Return a waiver as the end of a sentence that begins with 'the gate'.

    Args:
        waiver: The waiver.

    Returns:
        Gate, owner, last day and reason.
    """
    return f"{waiver.gate} is waived by {waiver.owner} until {waiver.expires_at:%Y-%m-%d}: {waiver.reason}"

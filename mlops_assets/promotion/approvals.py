"""What people add to the gates' results: an approval of exactly this evidence, and waived gates.

Comes in: results, and records of the ledger. Goes out: the results after approvals and waivers. A hard failure cannot
be waived, and an expired verdict counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from mlops_assets.artifacts import GateResult


class PersonVerdict(Protocol):
    """A person's verdict on one evidence hash, as the ledger keeps it."""

    @property
    def verdict(self) -> str:
        """Return approve, reject or defer."""

    @property
    def actor(self) -> str:
        """Return the name of the person."""

    @property
    def comment(self) -> str:
        """Return the person's reason."""

    @property
    def expires_at(self) -> datetime | None:
        """Return the end of validity, with a zone; None for no end."""


class WaiverRecord(Protocol):
    """A gate set aside for a model by an owner, with reason and expiry."""

    @property
    def gate(self) -> str:
        """Return the gate's name in the model file."""

    @property
    def owner(self) -> str:
        """Return the person who accepts the risk."""

    @property
    def reason(self) -> str:
        """Return why the gate may be set aside."""

    @property
    def expires_at(self) -> datetime:
        """Return the end of the waiver, with a zone."""


SETTLED_BY_PEOPLE = ("approval", "importance_shift", "leakage")
"""Gates that wait for a person when their result is 'not enough evidence'."""


NEVER_WAIVED = frozenset({"data_quality", "leakage", "no_missing_predictions", "reproducible"})
"""Gates that check whether the evidence can be trusted: without them no other result means anything."""


def with_people(
    results: Sequence[GateResult],
    approval: PersonVerdict | None,
    waivers: Sequence[WaiverRecord],
    now: datetime | None,
) -> tuple[tuple[GateResult, ...], str]:
    """Return the results after approvals and waivers, and what they add to the reason.

    Args:
        results: Results of the gates as recorded.
        approval: A person's verdict on the evidence; None without one.
        waivers: Waivers of the model's gates.
        now: Present time, with a zone; None counts nothing as expired.

    Returns:
        Results in the same order; text that begins with '; ', or '' when people changed nothing.
    """
    remarks: list[str] = []
    standing: list[GateResult] = []
    for result in results:
        settled = _settled(result, approval, waivers, now)
        if settled is not result and settled.verdict in ("pass", "not_applicable"):
            remarks.append(f"{result.gate} {settled.reason}")
        standing.append(settled)
    return tuple(standing), "".join(f"; {one}" for one in remarks)


def waiting(
    results: Sequence[GateResult],
    approval: PersonVerdict | None,
    waivers: Sequence[WaiverRecord],
    now: datetime | None,
) -> bool:
    """Return whether only a person's verdict is missing, and nobody has given one.

    Args:
        results: Results of the gates as recorded.
        approval: A person's verdict on the evidence; None without one.
        waivers: Waivers of the model's gates.
        now: Present time, with a zone; None counts nothing as expired.

    Returns:
        True when every gate that blocks waits for a person.
    """
    standing, _ = with_people(results, None, waivers, now)
    short = [one for one in standing if one.verdict not in ("pass", "not_applicable")]
    asks = all(one.kind in SETTLED_BY_PEOPLE and one.verdict == "not_enough_evidence" for one in short)
    return bool(short) and asks and approval is None


def _settled(
    result: GateResult, approval: PersonVerdict | None, waivers: Sequence[WaiverRecord], now: datetime | None
) -> GateResult:
    if result.verdict not in ("fail", "not_enough_evidence") or result.hard:
        return result
    if result.kind in SETTLED_BY_PEOPLE and result.verdict == "not_enough_evidence" and approval is not None:
        return _with_verdict(result, approval, now)
    waiver = next((one for one in waivers if one.gate == result.gate and _holds(one.expires_at, now)), None)
    if waiver is None or result.kind == "approval" or result.kind in NEVER_WAIVED:
        return result
    until = f"{waiver.expires_at:%Y-%m-%d}"
    return replace(
        result, verdict="not_applicable", reason=f"waived by {waiver.owner} until {until}: {waiver.reason}"
    )


def _with_verdict(result: GateResult, approval: PersonVerdict, now: datetime | None) -> GateResult:
    comment = f": {approval.comment}" if approval.comment else ""
    if not _holds(approval.expires_at, now):
        return replace(result, reason=f"the verdict of {approval.actor} has expired")
    if approval.verdict == "approve":
        return replace(result, verdict="pass", reason=f"approved by {approval.actor}{comment}")
    verb = {"reject": "rejected", "defer": "deferred"}.get(approval.verdict, f"decided {approval.verdict!r}")
    return replace(result, verdict="fail", reason=f"{verb} by {approval.actor}{comment}")


def _holds(expires_at: datetime | None, now: datetime | None) -> bool:
    """Return whether an expiry is in the future; without a present time it is not."""
    return expires_at is None or (now is not None and now < expires_at)

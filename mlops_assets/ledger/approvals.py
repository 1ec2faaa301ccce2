"""People's verdicts: approvals bound to an evidence hash, and waivers of single gates. Neither is ever changed.

What a verdict means for a promotion is decided in promotion; the ledger makes sure that one verdict per
evidence wins.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, select
from sqlalchemy.dialects.postgresql import insert

from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.evidence import require_evidence
from mlops_assets.ledger.records import Approval, Verdict, Waiver
from mlops_assets.ledger.schema import approvals, evidence, waivers

LONGEST_WAIVER: Final = timedelta(days=30)


class Approvals(Store):
    """The verbs on approvals and waivers."""

    def record_verdict(
        self,
        evidence_hash: str,
        verdict: Verdict,
        *,
        actor: str,
        comment: str,
        at: datetime,
        expires_at: datetime | None = None,
    ) -> Approval:
        """Record approve, reject or defer for exactly this evidence.

        The same verdict by the same person again returns the first record.

        Args:
            evidence_hash: sha256 of the recorded evidence, 64 hexadecimal digits.
            verdict: `approve`, `reject` or `defer`.
            actor: Name of the person; not blank.
            comment: Why, in the person's words; may be empty.
            at: Time of the verdict, with a zone.
            expires_at: End of the approval's validity, with a zone; None: no end.

        Returns:
            The approval that counts.

        Raises:
            EvidenceError: When the hash is unknown or its body was altered.
            LostRaceError: When another verdict or person came first.
            LedgerError: When `actor` is blank or a time has no zone.
        """
        if not actor.strip():
            raise LedgerError("a verdict needs the name of the person")
        submitted = Approval(
            evidence_hash, verdict, actor, comment, utc(at), None if expires_at is None else utc(expires_at)
        )
        with self._transaction(self._approvals) as connection:
            require_evidence(connection, evidence_hash)
            connection.execute(
                insert(approvals)
                .values(
                    evidence_hash=evidence_hash,
                    verdict=verdict,
                    actor=actor,
                    comment=comment,
                    at=submitted.at,
                    expires_at=submitted.expires_at,
                )
                .on_conflict_do_nothing(index_elements=["evidence_hash"])
            )
            row = connection.execute(
                select(approvals).where(approvals.c.evidence_hash == evidence_hash)
            ).one()
        won = _approval(row)
        if (won.verdict, won.actor) != (verdict, actor):
            raise LostRaceError(
                f"{won.actor} decided '{won.verdict}' on this evidence at {won.at:%Y-%m-%d %H:%M} UTC; one verdict "
                "per evidence counts. New evidence (a new comparison) can be decided again"
            )
        return won

    def approval(self, evidence_hash: str) -> Approval | None:
        """Return the verdict on this evidence, expired or not.

        Args:
            evidence_hash: sha256 of the recorded evidence, 64 hexadecimal digits.

        Returns:
            The approval, or None when nobody has decided.
        """
        with self._transaction() as connection:
            row = connection.execute(
                select(approvals).where(approvals.c.evidence_hash == evidence_hash)
            ).one_or_none()
        return None if row is None else _approval(row)

    def approvals_of(self, model: str) -> dict[int, Approval]:
        """Return the newest verdict about each version of a model.

        Args:
            model: Name of the model, as in its model file.

        Returns:
            Approval by version number; versions without a verdict are absent.
        """
        query = (
            select(evidence.c.version, *approvals.c)
            .join(evidence, evidence.c.hash == approvals.c.evidence_hash)
            .where(evidence.c.model == model)
            .order_by(approvals.c.at)
        )
        with self._transaction() as connection:
            return {row.version: _approval(row) for row in connection.execute(query)}

    def waive(
        self,
        model: str,
        gate: str,
        *,
        owner: str,
        reason: str,
        at: datetime,
        expires_at: datetime,
        actor: str | None = None,
        uid: int | None = None,
    ) -> Waiver:
        """Set a gate aside until `expires_at`.

        Args:
            model: Name of the model, as in its model file.
            gate: Name of the gate, as in the model file.
            owner: Person who accepts the risk; not blank.
            reason: Why the gate may be set aside; not blank.
            at: Start of the waiver, with a zone.
            expires_at: End of the waiver, with a zone; at most 30 days after `at`.
            actor: Person who ran the command, if it is not the owner.
            uid: Numeric id of the operating system's user who ran it.

        Returns:
            The waiver as stored.

        Raises:
            LedgerError: Without owner or reason, or when the expiry is not within 30 days after `at`.
        """
        at, expires_at = utc(at), utc(expires_at, "the expiry")
        if not owner.strip() or not reason.strip():
            raise LedgerError(f"waiving '{gate}' of model '{model}' needs an owner and a reason")
        if expires_at <= at:
            raise LedgerError(f"waiving '{gate}' of model '{model}' would have expired before it begins")
        if expires_at - at > LONGEST_WAIVER:
            raise LedgerError(f"waiving '{gate}' of model '{model}' lasts at most {LONGEST_WAIVER.days} days")
        with self._transaction(self._approvals) as connection:
            row = connection.execute(
                insert(waivers)
                .values(
                    model=model,
                    gate=gate,
                    owner=owner,
                    reason=reason,
                    at=at,
                    expires_at=expires_at,
                    actor=actor,
                    uid=uid,
                )
                .returning(waivers)
            ).one()
        return _waiver(row)

    def waivers(self, model: str, as_of: datetime | None = None) -> tuple[Waiver, ...]:
        """Return the waivers of a model.

        A waiver that an earlier release recorded for longer is in force for 30 days.

        Args:
            model: Name of the model, as in its model file.
            as_of: Only waivers in force at this time, with a zone; None for all.

        Returns:
            Waivers, newest first.
        """
        query = select(waivers).where(waivers.c.model == model).order_by(waivers.c.id.desc())
        if as_of is not None:
            began = waivers.c.at > utc(as_of) - LONGEST_WAIVER
            query = query.where(waivers.c.at <= utc(as_of), waivers.c.expires_at > utc(as_of), began)
        with self._transaction() as connection:
            return tuple(_waiver(row) for row in connection.execute(query))


def _approval(row: Row[Any]) -> Approval:
    return Approval(
        evidence_hash=row.evidence_hash,
        verdict=row.verdict,
        actor=row.actor,
        comment=row.comment,
        at=utc(row.at),
        expires_at=None if row.expires_at is None else utc(row.expires_at),
    )


def _waiver(row: Row[Any]) -> Waiver:
    return Waiver(
        id=row.id,
        model=row.model,
        gate=row.gate,
        owner=row.owner,
        reason=row.reason,
        at=utc(row.at),
        expires_at=utc(row.expires_at),
        actor=row.actor,
        uid=row.uid,
    )

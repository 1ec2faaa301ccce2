"""Who did what: every act of a person or a program that the ledger records, in one list.

Comes in: a period. Goes out: acts, newest first. The tables they come from refuse every change and deletion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import text

from mlops_assets.ledger.engine import Store, utc

ACTS: Final = """
    select at, actor, action, model, version::text as subject, reason from history
    union all
    select a.at, a.actor, 'verdict: ' || a.verdict, e.model, e.version::text, a.comment
        from approvals a join evidence e on e.hash = a.evidence_hash
    union all
    select at, coalesce(actor, owner), 'waived', model, gate, reason from waivers
    union all
    select acknowledged_at, acknowledged_by, 'acknowledged an alert', model, kind, message from alerts
        where acknowledged_at is not null
    union all
    select created_at, created_by, 'created an API key', null, id, 'for ' || owner || ', role ' || role from api_keys
    union all
    select revoked_at, null, 'revoked an API key', null, id, 'of ' || owner from api_keys where revoked_at is not null
"""


@dataclass(frozen=True, slots=True)
class Act:
    """One act. actor: who, None where it was not recorded; subject: version, gate, type of alert or id of a key."""

    at: datetime
    actor: str | None
    action: str
    model: str | None
    subject: str
    reason: str


class Audit(Store):
    """Reading the list."""

    def acts(
        self,
        *,
        model: str | None = None,
        actor: str | None = None,
        since: datetime | None = None,
        limit: int = 100,
    ) -> tuple[Act, ...]:
        """Return the newest acts.

        Args:
            model: Only acts on this model; None for all.
            actor: Only acts of this person or program; None for all.
            since: Only acts from this instant on, with a zone; None for all.
            limit: Largest number of acts.

        Returns:
            Acts, newest first.
        """
        query = f"""
            select * from ({ACTS}) acts
            where (cast(:model as text) is null or model = :model) and (cast(:actor as text) is null or actor = :actor)
                and (cast(:since as timestamptz) is null or at >= :since)
            order by at desc, action limit :limit
        """  # noqa: S608 - our own constant
        parameters = {"model": model, "actor": actor, "since": utc(since) if since else None, "limit": limit}
        with self._transaction() as connection:
            return tuple(
                Act(utc(row.at), row.actor, row.action, row.model, row.subject, row.reason or "")
                for row in connection.execute(text(query), parameters)
            )

"""The champion row's compare-and-swap and its line in the history, inside a transaction that the caller holds.

Comes in: the standing a verb saw. Goes out: the standing after it, or LostRaceError. The verbs, and what they check
first, are in champion.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger.engine import utc
from mlops_assets.ledger.records import Action, Champion, HistoryEntry, Standing
from mlops_assets.ledger.schema import champion, history
from mlops_assets.ledger.versions import set_status


@dataclass(frozen=True, slots=True)
class Said:
    """Who decided, why, and when."""

    actor: str
    reason: str
    at: datetime

    @classmethod
    def by(cls, actor: str, reason: str, at: datetime) -> Said:
        """Checked: a name and a zoned time are there. Raises LedgerError."""
        if not actor.strip():
            raise LedgerError("a decision needs the name of who or what made it")
        return cls(actor, reason, utc(at))


def lock(connection: Connection, model: str) -> None:
    """Queue behind other writers of this model. Not the row's own lock: before a first promotion there is no row."""
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:model, 2))"), {"model": model})


def standing_of(connection: Connection, model: str) -> Standing:
    """The champion and the epoch as this transaction sees them."""
    row = connection.execute(select(champion).where(champion.c.model == model)).one_or_none()
    if row is None:
        return Standing(model, 0, None)
    if row.version is None:
        return Standing(model, row.epoch, None)
    return Standing(
        model, row.epoch, Champion(model, row.version, row.epoch, row.evidence_hash, utc(row.since))
    )


def move(
    connection: Connection, before: Standing, version: int | None, evidence_hash: str | None, at: datetime
) -> Standing:
    """Swap the champion for `version` (None: for nobody) if the epoch is still the one of `before`, and set both
    versions' statuses. Raises LostRaceError when it is not."""
    model = before.model
    values = {"version": version, "epoch": before.epoch + 1, "evidence_hash": evidence_hash, "since": at}
    if before.epoch == 0:
        swapped = connection.execute(
            insert_or(champion).values(model=model, **values).on_conflict_do_nothing(index_elements=["model"])
        )
    else:
        swapped = connection.execute(
            update(champion)
            .where(champion.c.model == model, champion.c.epoch == before.epoch)
            .values(**values)
        )
    if swapped.rowcount != 1:
        raise lost(standing_of(connection, model), before.epoch)
    if before.champion is not None:
        set_status(connection, model, before.champion.version, "archived")
    if version is not None:
        set_status(connection, model, version, "champion")
    return standing_of(connection, model)


def write(
    connection: Connection,
    action: Action,
    version: int,
    before: Standing,
    after: Standing,
    evidence_hash: str | None,
    said: Said,
) -> HistoryEntry:
    """Append one line about `version`; for what moves nothing, `after` is `before`."""
    values = {
        "model": before.model,
        "at": said.at,
        "actor": said.actor,
        "action": action,
        "from_version": _version(before),
        "to_version": _version(after),
        "version": version,
        "epoch": after.epoch,
        "evidence_hash": evidence_hash,
        "reason": said.reason,
    }
    row = connection.execute(insert(history).values(**values).returning(history)).one()
    return entry(row)


def entry(row: object) -> HistoryEntry:
    """A row of the history as a record."""
    fields = row._mapping  # type: ignore[attr-defined]
    return HistoryEntry(**{**fields, "at": utc(fields["at"])})


def lost(now: Standing, seen_epoch: int) -> LostRaceError:
    """The error of a move that came too late, saying what stands now."""
    standing = "none" if now.champion is None else f"version {now.champion.version}"
    return LostRaceError(
        f"the champion of '{now.model}' moved while this was decided: epoch {seen_epoch} was seen, it is now "
        f"{now.epoch} (champion: {standing}). Nothing was changed; compare with the new champion and decide again"
    )


def _version(standing: Standing) -> int | None:
    return None if standing.champion is None else standing.champion.version

"""The champion row's compare-and-swap and its line in the history, inside a transaction that the caller holds.

Comes in: the champion state a verb read. Goes out: the state after it, or LostRaceError. The verbs, and what they check
first, are in champion.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger.engine import utc
from mlops_assets.ledger.records import Action, Champion, ChampionState, HistoryEntry
from mlops_assets.ledger.schema import champion, history
from mlops_assets.ledger.versions import set_status


@dataclass(frozen=True, slots=True)
class Attribution:
    """Who decided, why, and when."""

    actor: str
    reason: str
    at: datetime

    @classmethod
    def by(cls, actor: str, reason: str, at: datetime) -> Attribution:
        """Create the attribution of a decision.

        Args:
            actor: Person or program that decided; not blank.
            reason: Text for the history: why it was done.
            at: Time of the decision, with a zone.

        Returns:
            The attribution, its time in UTC.

        Raises:
            LedgerError: When the actor is blank or the time has no zone.
        """
        if not actor.strip():
            raise LedgerError("a decision needs the name of who or what made it")
        return cls(actor, reason, utc(at))


def lock(connection: Connection, model: str) -> None:
    """Queue behind other writers of this model. Not the row's own lock: before a first promotion there is no row.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.
    """
    connection.execute(text("select pg_advisory_xact_lock(hashtextextended(:model, 2))"), {"model": model})


def champion_state_of(connection: Connection, model: str) -> ChampionState:
    """Return the champion and the revision as this transaction sees them.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.

    Returns:
        The state; revision 0 for a model without a champion row.
    """
    row = connection.execute(select(champion).where(champion.c.model == model)).one_or_none()
    if row is None:
        return ChampionState(model, 0, None)
    if row.version is None:
        return ChampionState(model, row.revision, None)
    return ChampionState(
        model, row.revision, Champion(model, row.version, row.revision, row.evidence_hash, utc(row.since))
    )


def move(
    connection: Connection,
    before: ChampionState,
    version: int | None,
    evidence_hash: str | None,
    at: datetime,
) -> ChampionState:
    """Swap the champion and both versions' statuses if the revision is still the one of `before`.

    Args:
        connection: An open connection; the caller owns its transaction.
        before: State that the caller read in this transaction.
        version: The new champion; None for no champion.
        evidence_hash: sha256 of the evidence that the champion row names; None for no champion.
        at: Start of service, in UTC.

    Returns:
        The state after the move, its revision one higher.

    Raises:
        LostRaceError: When the revision is another by now.
    """
    model = before.model
    values = {
        "version": version,
        "revision": before.revision + 1,
        "evidence_hash": evidence_hash,
        "since": at,
    }
    if before.revision == 0:
        swapped = connection.execute(
            insert_or(champion).values(model=model, **values).on_conflict_do_nothing(index_elements=["model"])
        )
    else:
        swapped = connection.execute(
            update(champion)
            .where(champion.c.model == model, champion.c.revision == before.revision)
            .values(**values)
        )
    if swapped.rowcount != 1:
        raise lost(champion_state_of(connection, model), before.revision)
    if before.champion is not None:
        set_status(connection, model, before.champion.version, "archived")
    if version is not None:
        set_status(connection, model, version, "champion")
    return champion_state_of(connection, model)


def write(
    connection: Connection,
    action: Action,
    version: int,
    before: ChampionState,
    after: ChampionState,
    evidence_hash: str | None,
    attribution: Attribution,
) -> HistoryEntry:
    """Append one history entry about `version`.

    Args:
        connection: An open connection; the caller owns its transaction.
        action: What was done.
        version: Number of the model version, from 1.
        before: State before the action.
        after: State after it; `before` for an action that leaves the champion.
        evidence_hash: sha256 of the evidence; None for a retirement.
        attribution: Who did it, why and when.

    Returns:
        The entry as stored.
    """
    values = {
        "model": before.model,
        "at": attribution.at,
        "actor": attribution.actor,
        "action": action,
        "from_version": _version(before),
        "to_version": _version(after),
        "version": version,
        "revision": after.revision,
        "evidence_hash": evidence_hash,
        "reason": attribution.reason,
    }
    row = connection.execute(insert(history).values(**values).returning(history)).one()
    return entry(row)


def entry(row: object) -> HistoryEntry:
    """Return a row of the history as a record.

    Args:
        row: A row of the history table.

    Returns:
        The entry, its time in UTC.
    """
    fields = row._mapping  # type: ignore[attr-defined]
    return HistoryEntry(**{**fields, "at": utc(fields["at"])})


def lost(now: ChampionState, expected_revision: int) -> LostRaceError:
    """Create the error of a move that came too late; it names the present champion.

    Args:
        now: Champion state at present.
        expected_revision: Revision that the decision was based on.

    Returns:
        The error, for the caller to raise.
    """
    current = "none" if now.champion is None else f"version {now.champion.version}"
    return LostRaceError(
        f"the champion of '{now.model}' moved while this was decided: revision {expected_revision} was expected, it is "
        f"now {now.revision} (champion: {current}). Nothing was changed; compare with the new champion and decide again"
    )


def _version(state: ChampionState) -> int | None:
    return None if state.champion is None else state.champion.version

"""The champion: one row per model with a revision, moved by compare-and-swap, every move and non-move in the history.

Comes in: a version, the evidence it rests on, and the revision the decision was made under. Goes out: the new
champion, or LostRaceError with nothing changed. Whether a version deserves it is decided in promotion, not here.

Each verb is one transaction, and those that write queue on a lock of their model, so that the second sees what the
first did. The swap itself still names the revision it saw: the lock gives good messages, the revision gives safety.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from mlops_assets.errors import LedgerError
from mlops_assets.ledger.engine import Store
from mlops_assets.ledger.evidence import require_evidence_about
from mlops_assets.ledger.history import entries
from mlops_assets.ledger.moves import Attribution, champion_state_of, lock, lost, move, write
from mlops_assets.ledger.records import Action, Champion, ChampionState, HistoryEntry, ModelVersion
from mlops_assets.ledger.rollback import choose, evidence_of_promotion, last_served
from mlops_assets.ledger.rollout_rows import end_with_champion, end_with_version
from mlops_assets.ledger.schema import champion, history
from mlops_assets.ledger.versions import require_version, set_status


class Champions(Store):
    """The verbs that decide about, move, and read the champion."""

    def champion_state(self, model: str) -> ChampionState:
        """Return the champion and the revision in one snapshot.

        Take it before comparing and hand its revision to `promote`.

        Args:
            model: Name of the model, as in its model file.

        Returns:
            The state; revision 0 and no champion for a model that was never promoted.
        """
        with self._transaction() as connection:
            return champion_state_of(connection, model)

    def champion(self, model: str) -> Champion | None:
        """Return the version in production.

        Args:
            model: Name of the model, as in its model file.

        Returns:
            The champion, or None.
        """
        return self.champion_state(model).champion

    def champions(self) -> tuple[Champion, ...]:
        """Return the champions of all models that have one, by name."""
        with self._transaction() as connection:
            names = connection.scalars(select(champion.c.model).order_by(champion.c.model)).all()
            row = [champion_state_of(connection, name).champion for name in names]
            return tuple(one for one in row if one is not None)

    def promote(
        self,
        model: str,
        version: int,
        *,
        expected_revision: int,
        evidence_hash: str,
        actor: str,
        reason: str,
        at: datetime,
    ) -> Champion:
        """Make `version` the champion if the revision is still `expected_revision` (compare-and-swap).

        A version that was champion before needs new evidence to become champion again, so that no automatic
        step undoes a rollback. A repeated call with the same version, evidence and revision (a retried step)
        returns the champion of the first call and writes no second history entry.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.
            expected_revision: Revision seen before the comparison; 0 when there never was a champion.
            evidence_hash: sha256 of the evidence about exactly this version.
            actor: Person or program that decided.
            reason: Text for the history: why it was done.
            at: Time of the decision, with a zone.

        Returns:
            The new champion, with its new revision.

        Raises:
            LostRaceError: When another move came first.
            EvidenceError: When the evidence is missing, altered, or about another model or version.
            LedgerError: When the version was refused, is champion already, has no recorded bundle, or was
                promoted on this evidence before.
        """
        attribution = Attribution.by(actor, reason, at)
        with self._transaction() as connection:
            require_evidence_about(connection, evidence_hash, model, version)
            lock(connection, model)
            before = champion_state_of(connection, model)
            if before.revision == expected_revision + 1 and _is(before.champion, version, evidence_hash):
                assert before.champion is not None
                return before.champion
            if before.revision != expected_revision:
                raise lost(before, expected_revision)
            require_promotable(connection, require_version(connection, model, version), evidence_hash)
            end_with_champion(connection, model, version, attribution.actor, attribution.at)
            after = move(connection, before, version, evidence_hash, attribution.at)
            write(connection, "promoted", version, before, after, evidence_hash, attribution)
            assert after.champion is not None
            return after.champion

    def keep(
        self, model: str, version: int, *, evidence_hash: str, actor: str, reason: str, at: datetime
    ) -> HistoryEntry:
        """Archive a challenger that is not better, record it, and leave the champion.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.
            evidence_hash: sha256 of the recorded evidence, 64 hexadecimal digits.
            actor: Name of the person or program that acts, recorded in the history.
            reason: Text for the history: why it was done.
            at: Time of the event, with a zone; stored in UTC.

        Returns:
            The new history entry.

        Raises:
            EvidenceError: When the evidence is missing, altered or about another version.
            LedgerError: When the version is unknown or cannot be declined.
        """
        return self._decline(model, version, "kept", evidence_hash, actor, reason, at)

    def refuse(
        self, model: str, version: int, *, evidence_hash: str, actor: str, reason: str, at: datetime
    ) -> HistoryEntry:
        """Mark a challenger that has a hard failure as refused permanently, and leave the champion.

        Args:
            model: Name of the model, as in its model file.
            version: Number of the model version, from 1.
            evidence_hash: sha256 of the recorded evidence, 64 hexadecimal digits.
            actor: Name of the person or program that acts, recorded in the history.
            reason: Text for the history: why it was done.
            at: Time of the event, with a zone; stored in UTC.

        Returns:
            The new history entry.

        Raises:
            EvidenceError: When the evidence is missing, altered or about another version.
            LedgerError: When the version is unknown or cannot be declined.
        """
        return self._decline(model, version, "refused", evidence_hash, actor, reason, at)

    def rollback(
        self,
        model: str,
        *,
        actor: str,
        reason: str,
        at: datetime,
        to_version: int | None = None,
        expected_revision: int | None = None,
    ) -> Champion:
        """Return to the last version that really served, or to `to_version`.

        Versions that were rolled back from, or refused since, are skipped; two rollbacks in a row go further
        back. After a retirement the retired version comes back. The champion's evidence is again that of the
        promotion that last made the target champion.

        Args:
            model: Name of the model, as in its model file.
            actor: Name of the person or program that acts, recorded in the history.
            reason: Text for the history: why it was done.
            at: Time of the event, with a zone; stored in UTC.
            to_version: Version to return to; it must have served once. None: the last that served.
            expected_revision: Revision that the caller saw, so that two people cannot roll back twice; None:
                no check.

        Returns:
            The champion after the rollback.

        Raises:
            LedgerError: When there is no version to return to, or `to_version` may not serve.
            LostRaceError: When the revision is no longer `expected_revision`.
        """
        attribution = Attribution.by(actor, reason, at)
        with self._transaction() as connection:
            lock(connection, model)
            before = champion_state_of(connection, model)
            if expected_revision is not None and before.revision != expected_revision:
                raise lost(before, expected_revision)
            target = choose(connection, before, to_version)
            evidence_hash = evidence_of_promotion(connection, model, target)
            end_with_champion(connection, model, target, attribution.actor, attribution.at)
            after = move(connection, before, target, evidence_hash, attribution.at)
            write(connection, "rolled_back", target, before, after, evidence_hash, attribution)
            assert after.champion is not None
            return after.champion

    def rollback_target(self, model: str) -> int | None:
        """Return the version that a rollback would choose now, to check it before it is needed.

        Args:
            model: Name of the model, as in its model file.

        Returns:
            Version number, or None when no version can return.
        """
        with self._transaction() as connection:
            return last_served(connection, model)

    def retire(self, model: str, *, actor: str, reason: str, at: datetime) -> HistoryEntry:
        """Take the model out of production: no champion until the next promotion or rollback.

        Args:
            model: Name of the model, as in its model file.
            actor: Name of the person or program that acts, recorded in the history.
            reason: Text for the history: why it was done.
            at: Time of the event, with a zone; stored in UTC.

        Returns:
            The new history entry.

        Raises:
            LedgerError: When the model has no champion.
        """
        attribution = Attribution.by(actor, reason, at)
        with self._transaction() as connection:
            lock(connection, model)
            before = champion_state_of(connection, model)
            if before.champion is None:
                raise LedgerError(f"model '{model}' has no champion to retire")
            end_with_champion(connection, model, None, attribution.actor, attribution.at)
            after = move(connection, before, None, None, attribution.at)
            return write(connection, "retired", before.champion.version, before, after, None, attribution)

    def _decline(
        self,
        model: str,
        version: int,
        action: Action,
        evidence_hash: str,
        actor: str,
        reason: str,
        at: datetime,
    ) -> HistoryEntry:
        attribution = Attribution.by(actor, reason, at)
        with self._transaction() as connection:
            require_evidence_about(connection, evidence_hash, model, version)
            lock(connection, model)
            before = champion_state_of(connection, model)
            row = require_version(connection, model, version)
            if row.status == "champion":
                raise LedgerError(
                    f"{model} version {version} is the champion and cannot be {action}; roll back or retire it"
                )
            last = next(iter(entries(connection, model, version=version, limit=1)), None)
            if last is not None and (last.action, last.evidence_hash) == (action, evidence_hash):
                return last  # a retried step says the same thing twice
            if row.status != "refused":  # refused stays refused
                set_status(connection, model, version, "archived" if action == "kept" else "refused")
            end_with_version(connection, model, version, attribution.actor, attribution.at)
            return write(connection, action, version, before, before, evidence_hash, attribution)


def require_promotable(connection: Connection, row: ModelVersion, evidence_hash: str) -> None:
    """Raise unless a version may become champion on this evidence.

    Args:
        connection: An open connection; the caller owns its transaction.
        row: The version.
        evidence_hash: sha256 of the evidence, 64 hexadecimal digits.

    Raises:
        LedgerError: It is champion, was refused, has no bundle, or was promoted on this evidence before.
    """
    name = f"{row.model} version {row.version}"
    if row.status == "champion":
        raise LedgerError(f"{name} is the champion already")
    if row.status == "refused":
        raise LedgerError(f"{name} was refused and is never promoted; train a new one")
    if row.bundle_path is None:
        raise LedgerError(f"{name} has no recorded bundle, nothing could serve it: call record_bundle first")
    used = select(history.c.at).where(
        history.c.action == "promoted", history.c.evidence_hash == evidence_hash
    )
    before = connection.scalar(used)
    if before is not None:
        raise LedgerError(
            f"{name} was already promoted on this evidence at {before:%Y-%m-%d %H:%M} UTC and has left production "
            "since; compare it again with today's champion and decide on the new evidence"
        )


def _is(row: Champion | None, version: int, evidence_hash: str) -> bool:
    return row is not None and (row.version, row.evidence_hash) == (version, evidence_hash)

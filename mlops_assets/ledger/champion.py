"""The champion: one row per model with an epoch, moved by compare-and-swap, every move and non-move in the history.

Comes in: a version, the evidence it rests on, and the epoch the decision was made under. Goes out: the new champion,
or LostRaceError with nothing changed. Whether a version deserves it is decided in promotion, not here.

Each verb is one transaction, and those that write queue on a lock of their model, so that the second sees
what the first did. The swap itself still names the epoch it saw: the lock gives good messages, the epoch
gives safety.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert, select, text, update
from sqlalchemy.dialects.postgresql import insert as insert_or

from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.evidence import require_evidence_about
from mlops_assets.ledger.history import entries, serving_order_of
from mlops_assets.ledger.records import Action, Champion, HistoryEntry, ModelVersion, Standing
from mlops_assets.ledger.schema import champion, history
from mlops_assets.ledger.schema import model_versions as versions
from mlops_assets.ledger.versions import require_version, set_status


class Champions(Store):
    """The verbs that decide about, move, and read the champion."""

    def standing(self, model: str) -> Standing:
        """The champion and the epoch in one look. Take it before comparing and hand its epoch to `promote`."""
        with self._transaction() as connection:
            return _standing(connection, model)

    def champion(self, model: str) -> Champion | None:
        """The version in production, or None."""
        return self.standing(model).champion

    def champions(self) -> tuple[Champion, ...]:
        """The champions of all models that have one, by name."""
        with self._transaction() as connection:
            names = connection.scalars(select(champion.c.model).order_by(champion.c.model)).all()
            found = [_standing(connection, name).champion for name in names]
            return tuple(one for one in found if one is not None)

    def promote(
        self,
        model: str,
        version: int,
        *,
        seen_epoch: int,
        evidence_hash: str,
        actor: str,
        reason: str,
        at: datetime,
    ) -> Champion:
        """Make `version` the champion, if the champion is still the one of `seen_epoch` (0: there never was one).

        A promotion that already happened, asked again with the same version, evidence and epoch (a retried
        step), is answered with the champion it made and written down once.

        Raises LostRaceError when another move came first, EvidenceError when the evidence is missing, altered
        or about something else, LedgerError when the version was refused, serves already, or has no recorded
        bundle.
        """
        at = utc(at)
        with self._transaction() as connection:
            require_evidence_about(connection, evidence_hash, model, version)
            before = _standing(connection, model, lock=True)
            if before.epoch == seen_epoch + 1 and _is(before.champion, version, evidence_hash):
                assert before.champion is not None
                return before.champion
            if before.epoch != seen_epoch:
                raise _lost(before, seen_epoch)
            _require_promotable(require_version(connection, model, version, lock=True))
            after = _move(connection, before, version, evidence_hash, at)
            _write(
                connection,
                before,
                "promoted",
                version,
                version,
                after.epoch,
                evidence_hash,
                actor,
                reason,
                at,
            )
            assert after.champion is not None
            return after.champion

    def keep(
        self, model: str, version: int, *, evidence_hash: str, actor: str, reason: str, at: datetime
    ) -> HistoryEntry:
        """The challenger did not earn it: archive it, write it down, leave the champion alone."""
        return self._decline(model, version, "kept", evidence_hash, actor, reason, at)

    def refuse(
        self, model: str, version: int, *, evidence_hash: str, actor: str, reason: str, at: datetime
    ) -> HistoryEntry:
        """Something is wrong with the challenger: mark it refused for ever, write it down, leave the champion."""
        return self._decline(model, version, "refused", evidence_hash, actor, reason, at)

    def rollback(
        self,
        model: str,
        *,
        actor: str,
        reason: str,
        at: datetime,
        to_version: int | None = None,
        seen_epoch: int | None = None,
    ) -> Champion:
        """Return to the last version that really served, or to `to_version`, which must have served once.

        Versions that were rolled back from, or refused since, are skipped; two rollbacks in a row go further
        back. After a retirement the retired version comes back. The champion's evidence is again that of the
        promotion that first made the target champion. With `seen_epoch` two people cannot roll back twice.

        Raises LedgerError when there is nothing to return to, LostRaceError when `seen_epoch` is no longer
        true.
        """
        at = utc(at)
        with self._transaction() as connection:
            before = _standing(connection, model, lock=True)
            if seen_epoch is not None and before.epoch != seen_epoch:
                raise _lost(before, seen_epoch)
            target = _rollback_target(connection, before, to_version)
            evidence_hash = _evidence_of_promotion(connection, model, target)
            after = _move(connection, before, target, evidence_hash, at)
            _write(
                connection,
                before,
                "rolled_back",
                target,
                target,
                after.epoch,
                evidence_hash,
                actor,
                reason,
                at,
            )
            assert after.champion is not None
            return after.champion

    def rollback_target(self, model: str) -> int | None:
        """The version a rollback would go to now, None when there is none. For checking it before it is needed."""
        with self._transaction() as connection:
            return serving_order_of(connection, model).target(_refused(connection, model))

    def retire(self, model: str, *, actor: str, reason: str, at: datetime) -> HistoryEntry:
        """Take the model out of production: no champion until the next promotion or rollback."""
        at = utc(at)
        with self._transaction() as connection:
            before = _standing(connection, model, lock=True)
            if before.champion is None:
                raise LedgerError(f"model '{model}' has no champion to retire")
            after = _move(connection, before, None, None, at)
            return _write(
                connection,
                before,
                "retired",
                before.champion.version,
                None,
                after.epoch,
                None,
                actor,
                reason,
                at,
            )

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
        at = utc(at)
        with self._transaction() as connection:
            require_evidence_about(connection, evidence_hash, model, version)
            before = _standing(connection, model, lock=True)
            found = require_version(connection, model, version, lock=True)
            if found.status == "champion":
                raise LedgerError(
                    f"{model} version {version} is the champion and cannot be {action}; roll back or retire it"
                )
            last = next(iter(entries(connection, model, version=version, limit=1)), None)
            if last is not None and (last.action, last.evidence_hash) == (action, evidence_hash):
                return last  # a retried step says the same thing twice
            if found.status != "refused":  # refused stays refused
                set_status(connection, model, version, "archived" if action == "kept" else "refused")
            standing_version = before.champion.version if before.champion else None
            return _write(
                connection,
                before,
                action,
                version,
                standing_version,
                before.epoch,
                evidence_hash,
                actor,
                reason,
                at,
            )


def _standing(connection: Connection, model: str, *, lock: bool = False) -> Standing:
    if lock:  # not the row's own lock alone: before a first promotion there is no row
        connection.execute(
            text("select pg_advisory_xact_lock(hashtextextended(:model, 2))"), {"model": model}
        )
    query = select(champion).where(champion.c.model == model)
    row = connection.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        return Standing(model, 0, None)
    if row.version is None:
        return Standing(model, row.epoch, None)
    return Standing(
        model, row.epoch, Champion(model, row.version, row.epoch, row.evidence_hash, utc(row.since))
    )


def _move(
    connection: Connection, before: Standing, version: int | None, evidence_hash: str | None, at: datetime
) -> Standing:
    """The compare-and-swap itself, and the two versions' statuses. Raises LostRaceError when it does not swap."""
    model, epoch = before.model, before.epoch + 1
    values = {"version": version, "epoch": epoch, "evidence_hash": evidence_hash, "since": at}
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
        raise _lost(_standing(connection, model), before.epoch)
    if before.champion is not None:
        set_status(connection, model, before.champion.version, "archived")
    if version is not None:
        set_status(connection, model, version, "champion")
    return _standing(connection, model)


def _write(
    connection: Connection,
    before: Standing,
    action: Action,
    version: int,
    to_version: int | None,
    epoch: int,
    evidence_hash: str | None,
    actor: str,
    reason: str,
    at: datetime,
) -> HistoryEntry:
    from_version = before.champion.version if before.champion else None
    id_ = connection.scalar(
        insert(history)
        .values(
            model=before.model,
            at=at,
            actor=actor,
            action=action,
            from_version=from_version,
            to_version=to_version,
            version=version,
            epoch=epoch,
            evidence_hash=evidence_hash,
            reason=reason,
        )
        .returning(history.c.id)
    )
    assert id_ is not None
    return HistoryEntry(
        id_, before.model, at, actor, action, from_version, to_version, version, epoch, evidence_hash, reason
    )


def _rollback_target(connection: Connection, before: Standing, to_version: int | None) -> int:
    order = serving_order_of(connection, before.model)
    current = before.champion.version if before.champion else None
    if to_version is None:
        target = order.target(_refused(connection, before.model))
        if target is None:
            raise LedgerError(
                f"model '{before.model}' has no earlier version that served and was not rolled back from; "
                "retire it, or name a version with to_version"
            )
        return target
    if to_version == current:
        raise LedgerError(f"{before.model} version {to_version} is the champion already")
    if to_version not in order.ever:
        served = ", ".join(str(version) for version in sorted(order.ever - {current})) or "none"
        raise LedgerError(
            f"{before.model} version {to_version} never served, a rollback only returns to one that did ({served})"
        )
    if to_version in _refused(connection, before.model):
        raise LedgerError(
            f"{before.model} version {to_version} was refused; a refused version does not serve"
        )
    return to_version


def _refused(connection: Connection, model: str) -> frozenset[int]:
    return frozenset(
        connection.scalars(
            select(versions.c.version).where(versions.c.model == model, versions.c.status == "refused")
        )
    )


def _evidence_of_promotion(connection: Connection, model: str, version: int) -> str:
    hash_ = connection.scalar(
        select(history.c.evidence_hash)
        .where(history.c.model == model, history.c.version == version, history.c.action == "promoted")
        .order_by(history.c.id.desc())
        .limit(1)
    )
    assert hash_ is not None  # a version that served was promoted, and a promotion has evidence
    return str(hash_)


def _require_promotable(found: ModelVersion) -> None:
    name = f"{found.model} version {found.version}"
    if found.status == "champion":
        raise LedgerError(f"{name} is the champion already")
    if found.status == "refused":
        raise LedgerError(f"{name} was refused and is never promoted; train a new one")
    if found.bundle_path is None:
        raise LedgerError(f"{name} has no recorded bundle, nothing could serve it: call record_bundle first")


def _is(found: Champion | None, version: int, evidence_hash: str) -> bool:
    return found is not None and (found.version, found.evidence_hash) == (version, evidence_hash)


def _lost(now: Standing, seen_epoch: int) -> LostRaceError:
    standing = f"version {now.champion.version}" if now.champion else "none"
    return LostRaceError(
        f"the champion of '{now.model}' moved while this was decided: epoch {seen_epoch} was seen, it is now "
        f"{now.epoch} (champion: {standing}). Nothing was changed; compare with the new champion and decide again"
    )

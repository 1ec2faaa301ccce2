"""Roll-outs: started, moved from state to state, and observed. One lock with promotion and rollback.

Comes in: a challenger with evidence, transitions that `rollout` decided, counts of serving processes. Goes out:
`Rollout` records, their events and observations. A transition and the champion's move that belongs to it are one
transaction: after a kill there is the state before or the state after.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import Connection, select, text

from mlops_assets.artifacts.rollouts import ACTIVE, Observation, Rollout, RolloutEvent, Transition
from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger.champion import require_promotable
from mlops_assets.ledger.engine import Store, utc
from mlops_assets.ledger.evidence import require_evidence_about
from mlops_assets.ledger.moves import Attribution, champion_state_of, lock, lost, move, write
from mlops_assets.ledger.records import ServedPrediction
from mlops_assets.ledger.rollback import evidence_of_promotion
from mlops_assets.ledger.rollout_rows import (
    active_rollout_of,
    as_rollout,
    insert_rollout,
    store_transition,
)
from mlops_assets.ledger.schema import rollout_events, rollout_observations, rollouts
from mlops_assets.ledger.versions import require_version, set_status
from mlops_assets.model_file.rollout import RolloutSpec

OBSERVE = text(
    """
    insert into rollout_observations
        (rollout_id, process, step, arm, requests, errors, latencies, loaded, problem, at)
    values (:rollout_id, :process, :step, :arm, :requests, :errors, cast(:latencies as json), :loaded, :problem, :at)
    on conflict (rollout_id, process, step, arm) do update set
        requests = excluded.requests, errors = excluded.errors, latencies = excluded.latencies,
        loaded = excluded.loaded, problem = excluded.problem, at = excluded.at
    """
)
SHADOW = text(
    """
    insert into shadow_predictions (id, row, model, version, predicted_at, value, label)
    values (:id, :row, :model, :version, :predicted_at, :value, :label)
    on conflict do nothing
    """
)
PAIRS = text(
    """
    select s.entity, s.at, s.version, s.value, s.label, h.value as other_value, h.label as other_label,
           l.value as truth
    from served_predictions s
    join shadow_predictions h on h.id = s.id and h.row = s.row and h.version <> s.version
    join lateral (
        select value, received_at from posted_labels
        where model = s.model and prediction_id = s.id and row = s.row order by received_at desc limit 1
    ) l on true
    where s.model = :model and s.predicted_at >= :since
        and s.version in (:version, :champion_version) and h.version in (:version, :champion_version)
    order by l.received_at, s.id, s.row
    """
)
PAIRS_SCHEMA: dict[str, Any] = {
    "entity": pl.String(),
    "at": pl.Datetime("us", "UTC"),
    "version": pl.Int64(),
    "value": pl.Float64(),
    "label": pl.String(),
    "other_value": pl.Float64(),
    "other_label": pl.String(),
    "truth": pl.String(),
}


class Rollouts(Store):
    """The verbs on roll-outs."""

    def start_rollout(
        self,
        model: str,
        version: int,
        *,
        plan: RolloutSpec,
        expected_revision: int,
        evidence_hash: str,
        actor: str,
        reason: str,
        at: datetime,
    ) -> Rollout:
        """Start the roll-out of a challenger. The champion stays; an older roll-out of the model ends.

        A repeated call with the same evidence (a retried step) returns the roll-out of the first call.

        Args:
            model: Name of the model, as in its model file.
            version: The challenger.
            plan: The section of the model file, with a strategy other than `instant`.
            expected_revision: The champion's revision seen before the comparison.
            evidence_hash: sha256 of the evidence about exactly this version.
            actor: Person or program that decided.
            reason: Text for the record: why it was done.
            at: Time of the decision, with a zone.

        Returns:
            The roll-out.

        Raises:
            LostRaceError: When the champion moved since the comparison.
            EvidenceError: When the evidence is missing, altered, or about another model or version.
            LedgerError: When there is no champion to compare with, the version may not be promoted, or a roll-out on
                this evidence has ended.
        """
        attribution = Attribution.by(actor, reason, at)
        with self._transaction() as connection:
            require_evidence_about(connection, evidence_hash, model, version)
            lock(connection, model)
            earlier = connection.execute(
                select(rollouts).where(rollouts.c.evidence_hash == evidence_hash)
            ).one_or_none()
            if earlier is not None:
                return _still_active(as_rollout(earlier))
            before = champion_state_of(connection, model)
            if before.revision != expected_revision:
                raise lost(before, expected_revision)
            if before.champion is None:
                raise LedgerError(f"{model} has no champion that a roll-out could be compared with")
            require_promotable(connection, require_version(connection, model, version), evidence_hash)
            active = active_rollout_of(connection, model)
            if active is not None:
                _end(connection, active, f"version {version} takes its place", attribution)
            return insert_rollout(
                connection,
                Rollout(
                    id=0,
                    model=model,
                    version=version,
                    champion_version=before.champion.version,
                    base_revision=before.revision,
                    evidence_hash=evidence_hash,
                    plan=plan,
                    state="running",
                    step=0,
                    sequence=0,
                    started_at=attribution.at,
                    step_since=attribution.at,
                    actor=actor,
                    reason=reason,
                ),
            )

    def move_rollout(
        self, rollout_id: int, transition: Transition, *, expected_sequence: int, actor: str, at: datetime
    ) -> Rollout:
        """Carry out a transition, together with the champion's move that belongs to it.

        A repeated call (a retried step) returns the result of the first.

        Args:
            rollout_id: Number of the roll-out.
            transition: The next state.
            expected_sequence: Number of transitions that the decision was based on.
            actor: Person or program that decided.
            at: Time of the decision, with a zone.

        Returns:
            The roll-out after it.

        Raises:
            LostRaceError: When another transition or another move of the champion came first; nothing was changed.
            LedgerError: When the roll-out is unknown, or its version may not be promoted any more.
        """
        attribution = Attribution.by(actor, transition.reason, at)
        with self._transaction() as connection:
            lock(connection, _rollout(connection, rollout_id).model)
            before = _rollout(connection, rollout_id)
            if before.sequence == expected_sequence + 1 and before.state == transition.state:
                return before
            if before.sequence != expected_sequence or not before.is_active:
                raise LostRaceError(
                    f"roll-out {rollout_id} of {before.model} moved while this was decided: it is {before.state} "
                    f"({before.reason}). Nothing was changed"
                )
            after = store_transition(connection, before, transition, actor, attribution.at)
            if transition.champion == "promote":
                _promote(connection, before, attribution)
            elif transition.champion == "roll_back":
                _roll_back(connection, before, attribution)
            elif transition.state == "aborted" and before.state != "switched":
                _decline(connection, before, attribution)
            return after

    def active_rollouts(self) -> tuple[Rollout, ...]:
        """Return the roll-outs of all models that still may change, by model."""
        query = select(rollouts).where(rollouts.c.state.in_(ACTIVE)).order_by(rollouts.c.model)
        with self._transaction() as connection:
            return tuple(as_rollout(row) for row in connection.execute(query))

    def rollouts_of(self, model: str, limit: int | None = None) -> tuple[Rollout, ...]:
        """Return the roll-outs of a model, newest first.

        Args:
            model: Name of the model, as in its model file.
            limit: How many at most; None for all.

        Returns:
            The roll-outs.
        """
        query = select(rollouts).where(rollouts.c.model == model).order_by(rollouts.c.id.desc()).limit(limit)
        with self._transaction() as connection:
            return tuple(as_rollout(row) for row in connection.execute(query))

    def rollout_of_evidence(self, evidence_hash: str) -> Rollout | None:
        """Return the roll-out that rests on an evidence.

        Args:
            evidence_hash: sha256 of the evidence, 64 hexadecimal digits.

        Returns:
            The roll-out, or None.
        """
        with self._transaction() as connection:
            row = connection.execute(
                select(rollouts).where(rollouts.c.evidence_hash == evidence_hash)
            ).one_or_none()
            return None if row is None else as_rollout(row)

    def rollout_events(self, rollout_id: int) -> tuple[RolloutEvent, ...]:
        """Return the transitions of a roll-out, oldest first.

        Args:
            rollout_id: Number of the roll-out.

        Returns:
            The events.
        """
        query = (
            select(rollout_events)
            .where(rollout_events.c.rollout_id == rollout_id)
            .order_by(rollout_events.c.sequence)
        )
        with self._transaction() as connection:
            return tuple(
                RolloutEvent(**{**row._mapping, "at": utc(row.at)}) for row in connection.execute(query)
            )

    def observe_rollout(self, rollout_id: int, observations: Sequence[Observation]) -> None:
        """Store what a process counted; the newest count of a process, step and arm replaces the one before.

        Args:
            rollout_id: Number of the roll-out.
            observations: The counts since the process started.
        """
        if not observations:
            return
        names = ("process", "step", "arm", "requests", "errors", "loaded", "problem")
        values = [
            {name: getattr(one, name) for name in names}
            | {"rollout_id": rollout_id, "latencies": json.dumps(one.latencies), "at": utc(one.at)}
            for one in observations
        ]
        with self._transaction() as connection:
            connection.execute(OBSERVE, values)

    def rollout_observations(self, rollout_id: int) -> tuple[Observation, ...]:
        """Return what all serving processes counted.

        Args:
            rollout_id: Number of the roll-out.

        Returns:
            An observation per process, step and arm.
        """
        query = select(rollout_observations).where(rollout_observations.c.rollout_id == rollout_id)
        with self._transaction() as connection:
            rows = [dict(row._mapping) for row in connection.execute(query)]
        return tuple(
            Observation(
                **{name: value for name, value in row.items() if name != "rollout_id"}
                | {"latencies": tuple(row["latencies"]), "at": utc(row["at"])}
            )
            for row in rows
        )

    def store_shadow(self, rows: Sequence[ServedPrediction]) -> int:
        """Insert predictions that were not returned; rows that exist stay, so that a retry doubles nothing.

        Args:
            rows: The predictions of the version that did not serve, with the id of the response.

        Returns:
            How many rows were handed over.
        """
        names = ("id", "row", "model", "version", "value", "label")
        values = [
            {name: getattr(row, name) for name in names} | {"predicted_at": utc(row.predicted_at)}
            for row in rows
        ]
        if values:
            with self._transaction() as connection:
                connection.execute(SHADOW, values)
        return len(values)

    def rollout_pairs(self, rollout: Rollout) -> pl.DataFrame:
        """Return the rows that both versions of a roll-out predicted and whose label has arrived.

        Args:
            rollout: The roll-out.

        Returns:
            In the order in which labels arrived: entity, at, version (that served), value, label, other_value and
            other_label (of the other version), and truth as text.
        """
        parameters = {
            "model": rollout.model,
            "since": utc(rollout.started_at),
            "version": rollout.version,
            "champion_version": rollout.champion_version,
        }
        with self._transaction() as connection:
            rows = [tuple(row) for row in connection.execute(PAIRS, parameters)]
        return pl.DataFrame(rows, schema=PAIRS_SCHEMA, orient="row")


def _rollout(connection: Connection, rollout_id: int) -> Rollout:
    row = connection.execute(select(rollouts).where(rollouts.c.id == rollout_id)).one_or_none()
    if row is None:
        raise LedgerError(f"there is no roll-out {rollout_id}")
    return as_rollout(row)


def _still_active(earlier: Rollout) -> Rollout:
    if earlier.is_active:
        return earlier
    raise LedgerError(
        f"{earlier.model} version {earlier.version} had a roll-out on this evidence, which is {earlier.state}: "
        f"{earlier.reason}; compare it again with today's champion and decide on the new evidence"
    )


def _end(connection: Connection, active: Rollout, reason: str, attribution: Attribution) -> None:
    """End a roll-out for a newer one: after its switch it has reached its end, before that its version is declined."""
    state = Transition("finished" if active.state == "switched" else "aborted", active.step, reason)
    store_transition(connection, active, state, attribution.actor, attribution.at)
    if active.state != "switched":
        _decline(connection, active, Attribution(attribution.actor, reason, attribution.at))


def _promote(connection: Connection, rollout: Rollout, attribution: Attribution) -> None:
    before = champion_state_of(connection, rollout.model)
    if before.revision != rollout.base_revision:
        raise lost(before, rollout.base_revision)
    row = require_version(connection, rollout.model, rollout.version)
    require_promotable(connection, row, rollout.evidence_hash)
    after = move(connection, before, rollout.version, rollout.evidence_hash, attribution.at)
    write(connection, "promoted", rollout.version, before, after, rollout.evidence_hash, attribution)


def _roll_back(connection: Connection, rollout: Rollout, attribution: Attribution) -> None:
    before = champion_state_of(connection, rollout.model)
    if before.revision != rollout.base_revision + 1:
        raise lost(before, rollout.base_revision + 1)
    evidence_hash = evidence_of_promotion(connection, rollout.model, rollout.champion_version)
    after = move(connection, before, rollout.champion_version, evidence_hash, attribution.at)
    write(connection, "rolled_back", rollout.champion_version, before, after, evidence_hash, attribution)


def _decline(connection: Connection, rollout: Rollout, attribution: Attribution) -> None:
    before = champion_state_of(connection, rollout.model)
    if require_version(connection, rollout.model, rollout.version).status == "challenger":
        set_status(connection, rollout.model, rollout.version, "archived")
    write(connection, "kept", rollout.version, before, before, rollout.evidence_hash, attribution)

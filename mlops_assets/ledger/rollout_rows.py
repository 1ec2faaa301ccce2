"""Rows of roll-outs inside a transaction that the caller holds: reading, transitions, and the end by a champion's move.

Comes in: a connection that holds the model's lock. Goes out: `Rollout` records. The verbs are in rollouts.py;
champion.py calls `end_with_champion` and `end_with_version`, so that no roll-out outlives what it was based on.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from mlops_assets.artifacts.rollouts import ACTIVE, Rollout, Transition
from mlops_assets.ledger.engine import utc
from mlops_assets.ledger.schema import rollout_events, rollouts
from mlops_assets.model_file.rollout import RolloutSpec


def active_rollout_of(connection: Connection, model: str) -> Rollout | None:
    """Return the roll-out of a model that still may change.

    Args:
        connection: An open connection; the caller owns its transaction.
        model: Name of the model, as in its model file.

    Returns:
        The roll-out, or None.
    """
    query = select(rollouts).where(rollouts.c.model == model, rollouts.c.state.in_(ACTIVE))
    row = connection.execute(query).one_or_none()
    return None if row is None else as_rollout(row)


def insert_rollout(connection: Connection, started: Rollout) -> Rollout:
    """Insert a roll-out and its first event.

    Args:
        connection: An open connection; the caller owns its transaction.
        started: The roll-out; its id is given by the database.

    Returns:
        The roll-out as stored.
    """
    values = {name: getattr(started, name) for name in started.__slots__ if name not in ("id", "plan")}
    plan = started.plan.model_dump(mode="json")
    row = connection.execute(insert(rollouts).values(**values, plan=plan).returning(rollouts)).one()
    return _with_event(connection, as_rollout(row), started.started_at)


def store_transition(
    connection: Connection, before: Rollout, transition: Transition, actor: str, at: datetime
) -> Rollout:
    """Write a transition and its event.

    Args:
        connection: An open connection; the caller owns its transaction.
        before: The roll-out as this transaction sees it.
        transition: The next state.
        actor: Who or what decided.
        at: Time of the transition, with a zone.

    Returns:
        The roll-out as stored.
    """
    row = connection.execute(
        update(rollouts)
        .where(rollouts.c.id == before.id, rollouts.c.sequence == before.sequence)
        .values(
            state=transition.state,
            step=transition.step,
            sequence=before.sequence + 1,
            step_since=utc(at),
            actor=actor,
            reason=transition.reason,
        )
        .returning(rollouts)
    ).one()
    return _with_event(connection, as_rollout(row), at)


def end_with_champion(
    connection: Connection, model: str, new_version: int | None, actor: str, at: datetime
) -> None:
    """End the active roll-out of a model whose champion moves otherwise: by a promotion, a rollback or a retirement.

    Args:
        connection: An open connection that holds the model's lock.
        model: Name of the model, as in its model file.
        new_version: The new champion, or None.
        actor: Who or what moves it.
        at: Time of the move, with a zone.
    """
    active = active_rollout_of(connection, model)
    if active is None:
        return
    moved = f"version {new_version} became champion" if new_version is not None else "the model was retired"
    transition = (
        Transition("finished", active.step, moved)
        if new_version == active.version
        else Transition("aborted", active.step, f"{moved} in the meantime")
    )
    store_transition(connection, active, transition, actor, at)


def end_with_version(connection: Connection, model: str, version: int, actor: str, at: datetime) -> None:
    """End the active roll-out of a version that was declined.

    Args:
        connection: An open connection that holds the model's lock.
        model: Name of the model, as in its model file.
        version: The version.
        actor: Who or what declined it.
        at: Time of the decision, with a zone.
    """
    active = active_rollout_of(connection, model)
    if active is not None and active.version == version:
        transition = Transition("aborted", active.step, f"version {version} was declined in the meantime")
        store_transition(connection, active, transition, actor, at)


def as_rollout(row: Row[Any]) -> Rollout:
    """Return a row as a record.

    Args:
        row: A row of the table.

    Returns:
        The roll-out, its times in UTC.
    """
    values = dict(row._mapping)
    times = {name: utc(values[name]) for name in ("started_at", "step_since")}
    return Rollout(**values | times | {"plan": RolloutSpec.model_validate_json(json.dumps(values["plan"]))})


def _with_event(connection: Connection, rollout: Rollout, at: datetime) -> Rollout:
    values = {name: getattr(rollout, name) for name in ("sequence", "actor", "state", "step", "reason")}
    connection.execute(insert(rollout_events).values(rollout_id=rollout.id, at=utc(at), **values))
    return rollout

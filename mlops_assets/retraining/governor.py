"""Merges reasons into at most one retrain request, so that no cause, repeated or renamed, becomes a storm.

Comes in: triggers and the state of one model. Goes out: a request or None. Pure: the ledger's unique key on
`(model, key)` makes it happen once, whatever is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops_assets.artifacts import digest
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining.request import CAUSES, RetrainRequest, Trigger


@dataclass(frozen=True, slots=True)
class State:
    """What the ledger knows of one model's retrains.

    running: a request is open or its run has not ended. last_requested: when the newest request was made, whatever
    became of it. known_keys: keys of earlier requests. last_data: content hash of the newest training data, and
    rejected_data those hashes whose challenger was refused or kept: the same data again would give the same answer.
    """

    running: bool = False
    last_requested: datetime | None = None
    known_keys: Collection[str] = ()
    last_data: str | None = None
    rejected_data: Collection[str] = ()


def govern(
    triggers: Sequence[Trigger], state: State, spec: ModelSpec, now: datetime
) -> RetrainRequest | None:
    """At most one request for all reasons. A person's wish passes the cooldown and rejected data, nothing passes a
    retrain that is already under way.

    The key is made of the causes and their subjects alone: the same facts give the same key at any time, in any order.
    """
    fresh = [one for one in triggers if one.mature and key(spec.name, [one]) not in state.known_keys]
    fresh = list({(one.cause, one.subject): one for one in reversed(fresh)}.values())
    if not fresh or state.running:
        return None
    asked_by_person = any(one.cause == "manual" for one in fresh)
    if not asked_by_person and (_cooling(state, spec, now) or state.last_data in set(state.rejected_data)):
        return None
    ordered = tuple(sorted(fresh, key=lambda one: (CAUSES.index(one.cause), one.subject)))
    first = ordered[0]
    made = RetrainRequest(
        model=spec.name,
        key=key(spec.name, [first]),
        cause=first.cause,
        reason="; ".join(one.reason for one in ordered),
        at=now,
        triggers=ordered,
    )
    return None if made.key in state.known_keys else made


def key(model: str, triggers: Sequence[Trigger]) -> str:
    """`<cause>-<hash>` of what the triggers are about; their time and wording do not enter."""
    facts = sorted({f"{one.cause}|{one.subject}" for one in triggers})
    causes = "+".join(sorted({one.cause for one in triggers}))
    return f"{causes}-{digest({'model': model, 'facts': facts})[:16]}"


def _cooling(state: State, spec: ModelSpec, now: datetime) -> bool:
    return state.last_requested is not None and now - state.last_requested < spec.monitoring.cooldown

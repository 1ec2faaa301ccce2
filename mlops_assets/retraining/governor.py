"""Merges reasons into at most one retrain request, so that no cause, repeated or renamed, becomes a storm.

Comes in: triggers and the state of one model. Goes out: a request or None. Pure: the ledger's unique key on
`(model, key)` makes it happen once, whatever is evaluated twice.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from mlops_assets.artifacts import digest
from mlops_assets.model_file import ModelSpec
from mlops_assets.retraining.request import CAUSES, RetrainRequest, Trigger

BACK_OFF: Final = timedelta(hours=1)
"""How long a failed retrain waits for its first repetition; each later one waits twice as long."""
MOST_TRIES: Final = 6


@dataclass(frozen=True, slots=True)
class FailedTries:
    """How often a request for the same facts failed, and when last."""

    count: int
    last: datetime

    def may_repeat(self, now: datetime) -> bool:
        """Return whether the wait after the last failure is over and tries are left.

        Args:
            now: Present time, with a zone.

        Returns:
            True when a request with the same key may be made again.
        """
        return self.count < MOST_TRIES and now - self.last >= BACK_OFF * 2 ** (self.count - 1)


@dataclass(frozen=True, slots=True)
class State:
    """What the ledger knows of one model's retrains.

    Attributes:
        running: A request is open or its run has not ended.
        last_requested: When the newest request was made, whatever became of it.
        known_keys: Keys of earlier requests.
        failed: Facts whose newest request failed.
    """

    running: bool = False
    last_requested: datetime | None = None
    known_keys: Collection[str] = ()
    failed: Mapping[str, FailedTries] = field(default_factory=dict)


def govern(
    triggers: Sequence[Trigger], state: State, spec: ModelSpec, now: datetime
) -> RetrainRequest | None:
    """Merge all triggers into at most one request.

    A person's request ignores the cooldown; nothing is requested while a retrain runs. The key depends on the
    causes and their subjects alone: the same facts have the same key at any time, in any order.

    Args:
        triggers: Triggers of this evaluation.
        state: Open and earlier requests of the model.
        spec: The model file.
        now: Present time, with a zone.

    Returns:
        The request, or None.
    """
    repeated = {
        key(spec.name, [one])
        for one in triggers
        if (tries := state.failed.get(key(spec.name, [one]))) and tries.may_repeat(now)
    }
    known = set(state.known_keys) - repeated
    fresh = [one for one in triggers if one.mature and key(spec.name, [one]) not in known]
    fresh = list({(one.cause, one.subject): one for one in reversed(fresh)}.values())
    if not fresh or state.running:
        return None
    asked_by_person = any(one.cause == "manual" for one in fresh)
    is_retry = all(key(spec.name, [one]) in repeated for one in fresh)
    cooling = _cooling(state, spec, now) and not is_retry  # a failed try waits for its own back-off
    if cooling and not asked_by_person:
        return None
    ordered = tuple(sorted(fresh, key=lambda one: (CAUSES.index(one.cause), one.subject)))
    first = ordered[0]
    facts = key(spec.name, [first])
    tries = state.failed.get(facts)
    made = RetrainRequest(
        model=spec.name,
        key=f"{facts}~{tries.count + 1}" if tries and facts in repeated else facts,
        cause=first.cause,
        reason="; ".join(one.reason for one in ordered),
        at=now,
        triggers=ordered,
    )
    return None if made.key in state.known_keys else made


def key(model: str, triggers: Sequence[Trigger]) -> str:
    """Return `<cause>-<hash>` of the triggers' causes and subjects; their time and text do not count.

    Args:
        model: Name of the model.
        triggers: Triggers of one request.

    Returns:
        The key.
    """
    facts = sorted({f"{one.cause}|{one.subject}" for one in triggers})
    causes = "+".join(sorted({one.cause for one in triggers}))
    return f"{causes}-{digest({'model': model, 'facts': facts})[:16]}"


def _cooling(state: State, spec: ModelSpec, now: datetime) -> bool:
    return state.last_requested is not None and now - state.last_requested < spec.monitoring.cooldown


def failed_tries(requests: Sequence[tuple[str, str, datetime | None]]) -> dict[str, FailedTries]:
    """Return the facts whose newest request failed, with the number of tries.

    Args:
        requests: Key, state and end of earlier requests, the newest first; `<key>~2` is the second try of `<key>`.

    Returns:
        Number and time of the failures by key of the request.
    """
    newest: dict[str, FailedTries | None] = {}
    for request_key, state, finished_at in requests:
        facts, _, number = request_key.partition("~")
        if facts not in newest:
            failed = state == "failed" and finished_at is not None
            newest[facts] = FailedTries(int(number or 1), finished_at) if failed and finished_at else None
    return {facts: tries for facts, tries in newest.items() if tries is not None}

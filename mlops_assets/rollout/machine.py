"""The states of a roll-out and the transitions between them.

    running   the strategy takes its course           -> running (next step), paused, switched, finished, aborted
    paused    nothing changes until a person decides  -> running, finished, aborted
    switched  blue-green: the challenger is champion, the earlier champion is still loaded -> finished, aborted
    finished  the challenger is champion
    aborted   the champion of the start is champion

A failed check aborts in every active state. A check that is inconclusive for longer than `patience` pauses. Only passed
checks lead to the next step, the switch or the promotion.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from mlops_assets.artifacts.rollouts import Rollout, RolloutVerdict, Transition
from mlops_assets.errors import LedgerError


def next_transition(rollout: Rollout, verdict: RolloutVerdict, now: datetime) -> Transition | None:
    """Return what a roll-out does next by itself.

    Args:
        rollout: The roll-out.
        verdict: Results of its checks.
        now: Present time, with a zone.

    Returns:
        The transition; None while there is nothing to do.
    """
    if not rollout.is_active:
        return None
    if verdict.outcome == "fail":
        return _abort(rollout, verdict.reason)
    elapsed = now - rollout.step_since
    if rollout.state == "paused":
        return None
    if rollout.state == "switched":
        kept = elapsed >= rollout.plan.step_time
        return Transition("finished", 0, "no failure since the switch") if kept else None
    if verdict.outcome == "inconclusive":
        if elapsed < rollout.plan.patience:
            return None
        return Transition("paused", rollout.step, f"no clear result in time: {verdict.reason}")
    if rollout.plan.strategy == "blue_green":
        return Transition("switched", 0, verdict.reason, "promote")
    if elapsed < rollout.plan.step_time:
        return None
    if rollout.plan.strategy == "canary" and rollout.step + 1 < len(rollout.plan.shares):
        return Transition("running", rollout.step + 1, verdict.reason)
    return Transition("finished", rollout.step, verdict.reason, "promote")


def requested(rollout: Rollout, action: str, reason: str) -> Transition:
    """Return the transition that a person requests.

    Args:
        rollout: The roll-out.
        action: A key of `PERSON_ACTIONS`.
        reason: Text for the record.

    Returns:
        The transition.

    Raises:
        LedgerError: The roll-out is in no state where that is possible.
    """
    states, transition = PERSON_ACTIONS[action]
    if rollout.state not in states:
        possible = [name for name, (from_states, _) in PERSON_ACTIONS.items() if rollout.state in from_states]
        raise LedgerError(
            f"roll-out {rollout.id} of {rollout.model} is {rollout.state} and cannot {action}; "
            f"possible: {', '.join(possible) or 'nothing'}"
        )
    return transition(rollout, reason)


def _abort(rollout: Rollout, reason: str) -> Transition:
    return Transition("aborted", rollout.step, reason, "roll_back" if rollout.state == "switched" else None)


def _pause(rollout: Rollout, reason: str) -> Transition:
    return Transition("paused", rollout.step, reason)


def _resume(rollout: Rollout, reason: str) -> Transition:
    return Transition("running", rollout.step, reason)


def _finish(rollout: Rollout, reason: str) -> Transition:
    return Transition("finished", rollout.step, reason, None if rollout.state == "switched" else "promote")


PERSON_ACTIONS: Final[dict[str, tuple[frozenset[str], Callable[[Rollout, str], Transition]]]] = {
    "pause": (frozenset({"running"}), _pause),
    "resume": (frozenset({"paused"}), _resume),
    "abort": (frozenset({"running", "paused", "switched"}), _abort),
    "finish": (frozenset({"running", "paused", "switched"}), _finish),
}
"""What a person may request: the states where it is possible, and the transition."""

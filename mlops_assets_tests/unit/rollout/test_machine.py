"""The states of a roll-out: which transitions exist, and which results lead to them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.artifacts.rollouts import Rollout, RolloutCheck, RolloutVerdict, Transition
from mlops_assets.errors import LedgerError
from mlops_assets.rollout import PERSON_ACTIONS, next_transition, requested
from mlops_assets_tests.unit.rollout.rollout_factory import START, later, rollout

PASS, FAIL, UNCLEAR = (
    RolloutVerdict((RolloutCheck("errors", outcome, outcome),))
    for outcome in ("pass", "fail", "inconclusive")
)


def after(before: Rollout, transition: Transition, at: Any) -> Rollout:
    return replace(
        before,
        state=transition.state,
        step=transition.step,
        sequence=before.sequence + 1,
        step_since=at,
        reason=transition.reason,
    )


def test_a_canary_advances_step_by_step_and_then_becomes_champion() -> None:
    now, canary, shares, champion = START, rollout(), [], None
    while canary.is_active:
        shares.append(canary.share)
        assert next_transition(canary, PASS, now) is None  # not before the step's time is over
        now += canary.plan.step_time
        transition = next_transition(canary, PASS, now)
        assert transition is not None
        canary, champion = after(canary, transition, now), transition.champion
    assert (shares, canary.state, champion) == ([0.05, 0.25, 0.5, 1.0], "finished", "promote")


@pytest.mark.parametrize("strategy", ["canary", "shadow", "blue_green"])
def test_without_a_clear_result_nothing_advances_and_then_it_pauses(strategy: str) -> None:
    waiting = rollout(strategy=strategy)
    assert next_transition(waiting, UNCLEAR, later(hours=23)) is None
    paused = next_transition(waiting, UNCLEAR, later(days=1))
    assert paused is not None
    assert (paused.state, paused.champion) == ("paused", None)
    assert next_transition(after(waiting, paused, START), PASS, later(days=99)) is None


def test_a_blue_green_rollout_switches_and_goes_back() -> None:
    switch = next_transition(rollout(strategy="blue_green"), PASS, START)
    assert switch is not None
    assert (switch.state, switch.champion) == ("switched", "promote")
    switched = after(rollout(strategy="blue_green"), switch, START)
    assert switched.share == 1
    back = next_transition(switched, FAIL, START)
    assert back is not None
    assert (back.state, back.champion) == ("aborted", "roll_back")
    end = next_transition(switched, UNCLEAR, later(minutes=10))
    assert end is not None
    assert (end.state, end.champion) == ("finished", None)


@given(
    strategy=st.sampled_from(["canary", "shadow", "blue_green"]),
    events=st.lists(
        st.one_of(
            st.tuples(st.sampled_from([PASS, FAIL, UNCLEAR]), st.integers(0, 200_000)),
            st.sampled_from(sorted(PERSON_ACTIONS)),
        ),
        max_size=30,
    ),
)
def test_whatever_happens_the_champion_moves_with_the_state(strategy: str, events: list[Any]) -> None:
    """The challenger is champion exactly in the states that say so, and only after passed checks or a person's word."""
    current, now, is_champion = rollout(strategy=strategy), START, False
    for event in events:
        if isinstance(event, str):
            try:
                transition: Transition | None = requested(current, event, "because")
            except LedgerError:
                continue
        else:
            verdict, seconds = event
            now += timedelta(seconds=seconds)
            transition = next_transition(current, verdict, now)
            if current.is_active and verdict is FAIL:
                assert transition is not None
                assert transition.state == "aborted"
            if transition is not None and transition.champion == "promote":
                assert verdict is PASS
                assert current.state == "running"
        if transition is None:
            continue
        assert current.is_active  # nothing leads out of an end
        assert transition.step in (current.step, current.step + 1)
        assert transition.champion != ("promote" if is_champion else "roll_back")
        is_champion = {"promote": True, "roll_back": False, None: is_champion}[transition.champion]
        current = after(current, transition, now)
        assert is_champion == (current.state in ("switched", "finished"))


def test_a_request_that_is_not_possible_names_those_that_are() -> None:
    with pytest.raises(LedgerError, match="is paused and cannot pause; possible: resume, abort, finish"):
        requested(rollout("paused"), "pause", "")
    with pytest.raises(LedgerError, match="is finished and cannot abort; possible: nothing"):
        requested(rollout("finished"), "abort", "")

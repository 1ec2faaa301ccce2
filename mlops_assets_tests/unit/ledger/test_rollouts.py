"""Roll-outs in the ledger: one per model, one lock with the champion, no state between two transactions."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlops_assets.artifacts.rollouts import Rollout, Transition
from mlops_assets.errors import LedgerError, LostRaceError
from mlops_assets.ledger import Ledger, PostedLabel, ServedPrediction, invariants
from mlops_assets.model_file.rollout import RolloutSpec
from mlops_assets_tests.unit.ledger.test_champion import challenger, promote, promote_new, statuses
from mlops_assets_tests.unit.ledger.test_invariants import tamper
from mlops_assets_tests.unit.rollout.rollout_factory import observation

AT = datetime(2026, 3, 1, 2, tzinfo=UTC)
M = "pump"
CANARY, BLUE_GREEN = RolloutSpec(strategy="canary"), RolloutSpec(strategy="blue_green")


def start(ledger: Ledger, version: int, hash_: str, plan: RolloutSpec = CANARY) -> Rollout:
    revision = ledger.champion_state(M).revision
    return ledger.start_rollout(
        M,
        version,
        plan=plan,
        expected_revision=revision,
        evidence_hash=hash_,
        actor="ann",
        reason="better",
        at=AT,
    )


def begun(ledger: Ledger, plan: RolloutSpec = CANARY) -> Rollout:
    """A roll-out of version 2 with the champion 1."""
    promote_new(ledger)
    return start(ledger, *challenger(ledger), plan)


def moved(ledger: Ledger, rollout: Rollout, *transition: Any) -> Rollout:
    return ledger.move_rollout(
        rollout.id,
        Transition(*transition),
        expected_sequence=rollout.sequence,
        actor="dagster",
        at=AT + timedelta(hours=rollout.sequence + 1),
    )


def test_a_rollout_leaves_the_champion_until_its_last_step(ledger: Ledger) -> None:
    rollout = begun(ledger)
    assert ledger.active_rollouts() == (rollout,)
    assert (rollout.share, rollout.champion_version, rollout.base_revision) == (0.05, 1, 1)
    rollout = moved(ledger, rollout, "running", 1, "no errors")
    assert (rollout.share, rollout.step_since) == (0.25, AT + timedelta(hours=1))
    assert statuses(ledger) == {1: "champion", 2: "challenger"}
    rollout = moved(ledger, rollout, "finished", 3, "all steps passed", "promote")
    assert statuses(ledger) == {1: "archived", 2: "champion"}
    assert ledger.active_rollouts() == ()
    assert [(event.sequence, event.state, event.step) for event in ledger.rollout_events(rollout.id)] == [
        (0, "running", 0),
        (1, "running", 1),
        (2, "finished", 3),
    ]
    assert ledger.history(M)[0].reason == "all steps passed"
    assert invariants(ledger) == []


def test_an_aborted_rollout_archives_its_version_and_says_why(ledger: Ledger) -> None:
    moved(ledger, begun(ledger), "aborted", 0, "it failed 20 of 30 requests")
    assert statuses(ledger) == {1: "champion", 2: "archived"}
    assert (ledger.history(M)[0].action, ledger.history(M)[0].reason) == (
        "kept",
        "it failed 20 of 30 requests",
    )
    assert invariants(ledger) == []


def test_the_evidence_of_an_aborted_rollout_starts_no_second_one(ledger: Ledger) -> None:
    rollout = begun(ledger)
    assert start(ledger, rollout.version, rollout.evidence_hash) == rollout  # a retried step
    moved(ledger, rollout, "aborted", 0, "too slow")
    with pytest.raises(LedgerError, match="had a roll-out on this evidence, which is aborted: too slow"):
        start(ledger, rollout.version, rollout.evidence_hash)


def test_a_blue_green_rollout_switches_and_goes_back(ledger: Ledger) -> None:
    rollout = moved(ledger, begun(ledger, BLUE_GREEN), "switched", 0, "loaded", "promote")
    assert statuses(ledger) == {1: "archived", 2: "champion"}
    assert invariants(ledger) == []
    moved(ledger, rollout, "aborted", 0, "it fails", "roll_back")
    assert statuses(ledger) == {1: "champion", 2: "archived"}
    assert [entry.action for entry in ledger.history(M)] == ["rolled_back", "promoted", "promoted"]
    assert invariants(ledger) == []


def test_a_transition_that_is_repeated_counts_once_and_a_late_one_loses(ledger: Ledger) -> None:
    rollout = begun(ledger)
    after = moved(ledger, rollout, "running", 1, "passed")
    assert moved(ledger, rollout, "running", 1, "passed") == after
    with pytest.raises(LostRaceError, match="it is running"):
        moved(ledger, rollout, "aborted", 0, "late")
    assert len(ledger.rollout_events(rollout.id)) == 2


@pytest.mark.parametrize("plan", [CANARY, BLUE_GREEN])
def test_a_champion_that_moves_otherwise_ends_the_rollout(ledger: Ledger, plan: RolloutSpec) -> None:
    promote_new(ledger)
    rollout = begun(ledger, plan)
    if plan is BLUE_GREEN:
        rollout = moved(ledger, rollout, "switched", 0, "loaded", "promote")
    ledger.rollback(M, actor="ann", reason="spike", at=AT)
    [ended] = ledger.rollouts_of(M)
    assert (ended.state, ended.actor) == ("aborted", "ann")
    assert "became champion in the meantime" in ended.reason
    with pytest.raises(LostRaceError):
        moved(ledger, rollout, "finished", 3, "late", "promote")
    assert invariants(ledger) == []


def test_a_promotion_and_a_retirement_end_it_too(ledger: Ledger) -> None:
    begun(ledger)
    promote(ledger, *challenger(ledger))
    assert ledger.rollouts_of(M)[0].state == "aborted"
    start(ledger, *challenger(ledger))
    ledger.retire(M, actor="ann", reason="", at=AT)
    assert ledger.rollouts_of(M)[0].reason == "the model was retired in the meantime"
    assert invariants(ledger) == []


def test_a_version_that_is_promoted_at_once_has_finished_its_rollout(ledger: Ledger) -> None:
    rollout = begun(ledger)
    promote(ledger, rollout.version, rollout.evidence_hash)
    assert ledger.rollouts_of(M)[0].state == "finished"


def test_a_version_that_is_declined_ends_its_rollout(ledger: Ledger) -> None:
    rollout = begun(ledger)
    hash_ = rollout.evidence_hash
    ledger.refuse(M, rollout.version, evidence_hash=hash_, actor="ann", reason="", at=AT)
    assert ledger.rollouts_of(M)[0].reason == "version 2 was declined in the meantime"


def test_a_newer_rollout_takes_the_place_of_an_older_one(ledger: Ledger) -> None:
    first = begun(ledger)
    second = start(ledger, *challenger(ledger))
    assert [(one.id, one.state) for one in ledger.rollouts_of(M)] == [
        (second.id, "running"),
        (first.id, "aborted"),
    ]
    assert statuses(ledger) == {1: "champion", 2: "archived", 3: "challenger"}
    assert invariants(ledger) == []


def test_without_a_champion_there_is_no_rollout(ledger: Ledger) -> None:
    with pytest.raises(LedgerError, match="no champion"):
        start(ledger, *challenger(ledger))


def test_the_newest_count_of_a_process_replaces_the_one_before(ledger: Ledger) -> None:
    rollout = begun(ledger)
    one, two = observation(requests=3), observation(process="b", requests=5)
    ledger.observe_rollout(rollout.id, [one, two])
    ledger.observe_rollout(rollout.id, [replace(one, requests=4)])
    stored = ledger.rollout_observations(rollout.id)
    assert sorted((one.process, one.requests) for one in stored) == [("a", 4), ("b", 5)]
    assert two in stored


def test_pairs_are_rows_that_both_versions_predicted_and_that_have_a_label(ledger: Ledger) -> None:
    rollout = begun(ledger)

    def predicted(id_: str, version: int, value: float) -> ServedPrediction:
        return ServedPrediction(id_, 1, M, version, 1, "p1", AT, AT, value, None, None, None, {"x": 1.0})

    ledger.store_served(
        [predicted("a", 1, 1.0), predicted("b", 2, 2.0), predicted("c", 1, 3.0), predicted("d", 1, 4.0)]
    )
    others = [predicted("a", 2, 1.5), predicted("b", 1, 2.5), predicted("d", 2, 4.5)]
    for _ in range(2):
        ledger.store_shadow(others)
    labels = [PostedLabel(id_, 1, "9.5") for id_ in ("a", "b", "c")]
    ledger.store_labels(M, labels, AT)
    pairs = ledger.rollout_pairs(rollout)
    assert pairs.select("version", "value", "other_value", "truth").rows() == [
        (1, 1.0, 1.5, "9.5"),
        (2, 2.0, 2.5, "9.5"),
    ]


@pytest.mark.parametrize(
    ("tampering", "expected"),
    [
        ("delete from rollout_events", "roll-out 1 has None events for 1 transitions"),
        ("update rollouts set state = 'switched'", "expects version 2 as champion at revision 2"),
        ("update champion set revision = 7", "it is version 1 at revision 7"),
    ],
)
def test_tampering_by_hand_is_seen(ledger: Ledger, tampering: str, expected: str) -> None:
    moved(ledger, begun(ledger), "paused", 0, "no traffic")
    assert invariants(ledger) == []
    tamper(ledger, tampering)
    assert any(expected in sentence for sentence in invariants(ledger))

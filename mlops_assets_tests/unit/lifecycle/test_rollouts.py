"""A promotion that is rolled out: from the decision to the champion, and every way back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlops_assets.artifacts.rollouts import Arm, Observation, Rollout
from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Ledger, PostedLabel, ServedPrediction, invariants
from mlops_assets.lifecycle.recovery.rollback import roll_back
from mlops_assets.lifecycle.rollouts import Judge, request_transition
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin
from mlops_assets_tests.unit.rollout.rollout_factory import observation

CANARY: dict[str, Any] = {"strategy": "canary", "steps": ["10%", "100%"], "step_time": "1m", "patience": "1h"}


def station(folder: Path, ledger: Ledger, rollout: dict[str, Any] | None = None) -> Station:
    """A station whose version 1 is champion, and whose version 2 is better."""
    begun = begin(folder, ledger, rollout=rollout or CANARY)
    (folder / "models" / "station.yaml").write_text(begun.spec.model_dump_json(), encoding="utf-8")
    assert begun.challenge()[2].champion == 1  # nothing to compare with: at once
    return begun


def active(here: Station) -> Rollout:
    [rollout] = here.platform.ledger.active_rollouts()
    return rollout


def count(here: Station, requests: int, errors: int = 0, *, seconds: float = 0.01) -> None:
    """What a serving process counted in the present step."""
    rollout = active(here)
    arms: tuple[Arm, ...] = ("challenger", "champion")
    counted = [
        observation(arm, requests, errors if arm == "challenger" else 0, seconds=seconds, step=rollout.step)
        for arm in arms
    ]
    now = [
        Observation(**{name: getattr(one, name) for name in one.__slots__} | {"at": here.now})
        for one in counted
    ]
    here.platform.ledger.observe_rollout(rollout.id, now)


def look(here: Station, **later: float) -> Rollout:
    """The next look, so much later; serving processes have just reported."""
    here.now += timedelta(**later)
    return Judge(here.platform).advance(active(here), here.run("serving"))


def test_a_canary_that_does_well_becomes_champion(tmp_path: Path, ledger: Ledger) -> None:
    here = station(tmp_path, ledger)
    version, hash_, record = here.challenge()
    assert (record.champion, record.decision.outcome) == (1, "promote")
    assert "serves 10% of the requests" in (record.rollout or "")
    assert here.apply_decision(version, hash_).rollout == record.rollout  # asked again: nothing changes
    here.now += timedelta(minutes=2)
    count(here, 200)
    assert look(here).share == 1
    here.now += timedelta(minutes=2)
    count(here, 200)
    assert look(here).state == "finished"
    assert (here.champion(), here.statuses()) == (2, {1: "archived", 2: "champion"})
    assert here.history() == [("promoted", 1), ("promoted", 2)]
    assert invariants(ledger) == []


def test_a_canary_that_fails_goes_back_by_itself_and_says_why(tmp_path: Path, ledger: Ledger) -> None:
    here = station(tmp_path, ledger)
    version, hash_, _ = here.challenge()
    count(here, 10, errors=5)
    assert look(here, seconds=1).state == "aborted"
    assert here.champion() == 1
    assert "failed 5 of 10 requests" in ledger.history("station")[0].reason
    [alert] = [one for one in ledger.alerts() if one.kind == "rollout_aborted"]
    assert "failed 5 of 10 requests" in alert.message
    record = here.apply_decision(version, hash_)  # the same evidence starts no second roll-out
    assert (record.decision.outcome, record.champion) == ("keep", 1)


def test_a_canary_without_traffic_pauses_and_a_person_decides(tmp_path: Path, ledger: Ledger) -> None:
    here = station(tmp_path, ledger)
    here.challenge()
    assert look(here, minutes=59).state == "running"
    assert look(here, minutes=2).state == "paused"
    assert [one.kind for one in ledger.alerts()] == ["rollout_paused"]
    run = here.run("bob")
    assert request_transition(here.platform, "station", "resume", run, "traffic is back").state == "running"
    assert request_transition(here.platform, "station", "finish", run, "good").actor == "bob"
    assert here.champion() == 2
    with pytest.raises(LedgerError, match="is finished and cannot abort"):
        request_transition(here.platform, "station", "abort", run, "")


def test_a_model_without_a_rollout_says_how_to_get_one(tmp_path: Path, ledger: Ledger) -> None:
    here = begin(tmp_path, ledger)
    with pytest.raises(LedgerError, match="never had a roll-out"):
        request_transition(here.platform, "station", "abort", here.run(), "")


def test_a_rejection_during_the_rollout_ends_it(tmp_path: Path, ledger: Ledger) -> None:
    here = station(tmp_path, ledger)
    _, hash_, _ = here.challenge()
    ledger.record_verdict(hash_, "reject", actor="bob", comment="no", at=here.run().now())
    here.now += timedelta(minutes=2)
    request_transition(here.platform, "station", "finish", here.run("ann"), "good")
    [ended] = ledger.rollouts_of("station")
    assert (ended.state, ended.reason) == ("aborted", "rejected by bob: no")
    assert here.champion() == 1


def test_a_rollback_during_the_rollout_ends_it(tmp_path: Path, ledger: Ledger) -> None:
    here = station(tmp_path, ledger)
    here.challenge()
    request_transition(here.platform, "station", "finish", here.run(), "good")
    here.challenge(rmse=0.8, champion_rmse=0.9)
    roll_back(here.platform, "station", None, here.run("bob"), "spike")
    assert here.champion() == 1
    assert ledger.rollouts_of("station")[0].reason == "version 1 became champion in the meantime"
    assert invariants(ledger) == []


def test_a_newer_challenger_takes_the_place_of_one_under_way(tmp_path: Path, ledger: Ledger) -> None:
    here = station(tmp_path, ledger)
    here.challenge()
    here.challenge(rmse=0.8)
    assert active(here).version == 3
    assert here.statuses() == {1: "champion", 2: "archived", 3: "challenger"}


def test_a_challenger_that_waits_for_a_person_leaves_the_one_under_way(
    tmp_path: Path, ledger: Ledger
) -> None:
    here = station(tmp_path, ledger)
    here.challenge()
    here.with_gates(*GATES, "approval")
    here.challenge(rmse=0.8)
    assert active(here).version == 2


def test_blue_green_switches_when_it_is_loaded_and_goes_back_on_failures(
    tmp_path: Path, ledger: Ledger
) -> None:
    here = station(tmp_path, ledger, {"strategy": "blue_green", "step_time": "5m"})
    here.challenge()
    assert look(here, minutes=1).state == "running"  # no process has loaded it
    count(here, 0)
    assert look(here).state == "switched"
    assert here.champion() == 2
    count(here, 20, errors=10)
    assert look(here).state == "aborted"
    assert (here.champion(), here.history()[-1]) == (1, ("rolled_back", 1))
    assert invariants(ledger) == []


@pytest.mark.parametrize(
    ("challenger_noise", "state", "reason"),
    [(0.2, "finished", "improvement"), (5.0, "aborted", "improvement -")],
)
def test_a_shadow_is_judged_on_labels(
    tmp_path: Path, ledger: Ledger, challenger_noise: float, state: str, reason: str
) -> None:
    here = station(tmp_path, ledger, {"strategy": "shadow", "step_time": "1m", "min_labels": 200})
    here.challenge()
    rollout = active(here)
    here.now += timedelta(minutes=2)
    count(here, 300)
    assert look(here).state == "running"  # no labels
    rng = np.random.default_rng(4)
    truth = rng.normal(50, 5, 300)

    def rows(version: int, noise: float) -> list[ServedPrediction]:
        values = truth + rng.normal(0, noise, 300)
        at = [here.now + timedelta(hours=number) for number in range(300)]
        return [
            ServedPrediction(
                f"{row:04d}",
                1,
                "station",
                version,
                1,
                "p1",
                at[row],
                here.now,
                float(value),
                None,
                None,
                None,
                {},
            )
            for row, value in enumerate(values)
        ]

    ledger.store_served(rows(rollout.champion_version, 1.0))
    ledger.store_shadow(rows(rollout.version, challenger_noise))
    labels = [PostedLabel(f"{row:04d}", 1, repr(float(value))) for row, value in enumerate(truth)]
    ledger.store_labels("station", labels, here.now)
    after = look(here)
    assert (after.state, reason in after.reason) == (state, True), after.reason
    assert here.champion() == (2 if state == "finished" else 1)

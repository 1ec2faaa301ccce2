"""`mlops rollout status|pause|resume|abort|finish`: what they print, as text and as JSON, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from mlops_assets.cli import rollouts
from mlops_assets.cli.main import cli
from mlops_assets.errors import LedgerError
from mlops_assets.ledger import Ledger, invariants
from mlops_assets.lifecycle import champions
from mlops_assets.lifecycle.platform import Platform
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station
from mlops_assets_tests.unit.lifecycle.test_rollouts import CANARY, count, station

Type = Callable[..., Result]


@pytest.fixture
def here(tmp_path: Path, ledger: Ledger) -> Station:
    """A station with a canary of version 2 under way."""
    begun = station(tmp_path, ledger, CANARY)
    begun.challenge()
    return begun


@pytest.fixture
def enter(here: Station, monkeypatch: pytest.MonkeyPatch) -> Type:
    """Type a command on a platform that is open already."""

    @contextmanager
    def open_platform(**_: object) -> Iterator[Platform]:
        yield here.platform

    monkeypatch.setattr(rollouts, "open_platform", open_platform)
    monkeypatch.setattr(rollouts, "new_run", here.run)
    monkeypatch.setattr(champions, "mirror", lambda *_: None)
    return lambda *arguments: CliRunner().invoke(cli, ["rollout", *arguments])


def printed(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def refusal(result: Result) -> str:
    assert isinstance(result.exception, LedgerError), result.output
    return str(result.exception)


def test_status_shows_checks_and_transitions(here: Station, enter: Type) -> None:
    count(here, 40, errors=1)
    lines = enter("status").output
    for word in ("station", "canary", "1 -> 2", "running", "10%", "errors"):
        assert word in lines
    details = enter("status", "station").output
    assert "errors: " in details
    assert "labels" in details or "quality" in details
    [record] = printed(enter("status", "--json"))
    assert (record["model"], record["version"], record["state"], record["share"]) == (
        "station",
        2,
        "running",
        0.1,
    )
    assert {check["outcome"] for check in record["checks"]} <= {"pass", "fail", "inconclusive"}
    assert record["plan"]["steps"] == [0.1, 1.0]
    assert [event["state"] for event in record["events"]] == ["running"]
    assert printed(enter("status", "station", "--json")) == printed(enter("status", "--json"))


def test_pause_resume_and_abort_are_recorded_with_the_reason(here: Station, enter: Type) -> None:
    assert printed(enter("pause", "station", "--reason", "look first", "--json"))["state"] == "paused"
    assert "look first" in enter("status", "station").output
    assert printed(enter("resume", "station", "--json"))["state"] == "running"
    record = printed(enter("abort", "station", "--reason", "odd errors", "--json"))
    assert (record["state"], record["reason"], record["share"]) == ("aborted", "odd errors", 0.0)
    assert [event["state"] for event in record["events"]] == ["running", "paused", "running", "aborted"]
    assert {event["actor"] for event in record["events"][1:]} == {"ann"}
    assert here.champion() == 1
    assert here.statuses()[2] == "archived"
    assert "odd errors" in here.platform.ledger.history("station")[0].reason
    assert enter("status").output.strip() == "no roll-out"
    assert printed(enter("status", "--json")) == []
    assert "aborted" in enter("status", "station").output
    assert invariants(here.platform.ledger) == []


def test_finish_promotes_and_says_so(here: Station, enter: Type) -> None:
    record = printed(enter("finish", "station", "--json"))
    assert record["state"] == "finished"
    assert here.champion() == 2
    newest = here.platform.ledger.history("station")[0]
    assert (newest.action, newest.version, newest.reason) == ("promoted", 2, "finish by hand")


def test_finish_of_a_version_that_may_not_be_promoted_fails_and_aborts(here: Station, enter: Type) -> None:
    ledger = here.platform.ledger
    evidence_hash = ledger.active_rollouts()[0].evidence_hash
    ledger.record_verdict(evidence_hash, "reject", actor="bob", comment="no", at=here.run().now())
    done = enter("finish", "station", "--json")
    assert "was not promoted" in refusal(done)
    assert json.loads(done.output)["state"] == "aborted"
    assert here.champion() == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ("pause", "nothing"),
            "'nothing' never had a roll-out; 'rollout: {strategy: canary}' in its model file",
        ),
        (("resume", "station"), "running"),
    ],
)
def test_what_is_not_possible_is_refused_with_the_reason(
    here: Station, enter: Type, arguments: tuple[str, ...], reason: str
) -> None:
    assert reason in refusal(enter(*arguments))
    assert enter("status", "station").exit_code == 0


def test_an_ended_rollout_takes_no_further_word(here: Station, enter: Type) -> None:
    assert enter("abort", "station").exit_code == 0
    for action in ("pause", "resume", "abort", "finish"):
        assert "aborted" in refusal(enter(action, "station"))
    assert here.champion() == 1
    assert enter("status", "--unknown").exit_code == 2
    assert enter("pause").exit_code == 2

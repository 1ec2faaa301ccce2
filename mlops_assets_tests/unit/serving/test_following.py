"""Champions are followed in the ledger: a new one replaces the old, a broken one never does."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.errors import BundleError, ServiceError
from mlops_assets.ledger import Champion, ChampionState
from mlops_assets.serving import champions
from mlops_assets.serving.champions import Champions


@dataclass
class FakeLedger:
    """Standings as a test sets them; `down` makes every question fail."""

    champion_states: dict[str, ChampionState] = field(default_factory=dict)
    down: bool = False

    def models(self) -> tuple[str, ...]:
        if self.down:
            raise ServiceError("connection refused")
        return tuple(self.champion_states)

    def champion_state(self, model: str) -> ChampionState:
        return self.champion_states[model]


def stand(model: str, version: int | None, revision: int) -> ChampionState:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    champion = None if version is None else Champion(model, version, revision, "evidence", now)
    return ChampionState(model, revision, champion)


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger({"pump": stand("pump", 1, 1)})


@pytest.fixture
def following(ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch) -> Champions:
    """Champions over the fake ledger; version 13 is damaged on disk."""

    def load(platform: Any, model: str, version: int) -> tuple[Any, Any]:
        if version == 13:
            raise BundleError("a flipped bit")
        return SimpleNamespace(version=version), SimpleNamespace(spec={})

    monkeypatch.setattr(champions, "load_version", load)
    monkeypatch.setattr(champions, "spec_of_bundle", lambda bundle: SimpleNamespace(name="pump"))
    monkeypatch.setattr(champions, "recent_readings", lambda platform, spec: None)
    platform: Any = SimpleNamespace(ledger=ledger)
    following = Champions(platform)
    following.refresh()
    return following


def version_of(following: Champions, model: str = "pump") -> int | None:
    served = following.served(model)
    return None if served is None else served.version


def test_a_new_champion_replaces_the_old(following: Champions, ledger: FakeLedger) -> None:
    assert version_of(following) == 1
    ledger.champion_states["pump"] = stand("pump", 2, 2)
    following.refresh()
    assert version_of(following) == 2


def test_a_rollback_is_followed_too(following: Champions, ledger: FakeLedger) -> None:
    ledger.champion_states["pump"] = stand("pump", 2, 2)
    following.refresh()
    ledger.champion_states["pump"] = stand("pump", 1, 3)
    following.refresh()
    assert version_of(following) == 1


def test_a_damaged_champion_never_replaces_one_that_serves(following: Champions, ledger: FakeLedger) -> None:
    ledger.champion_states["pump"] = stand("pump", 13, 2)
    following.refresh()
    assert version_of(following) == 1
    assert "a flipped bit" in following.status()["problems"]["pump"]


def test_a_ledger_that_does_not_answer_changes_nothing(following: Champions, ledger: FakeLedger) -> None:
    ledger.down = True
    following.refresh()
    assert version_of(following) == 1
    assert "connection refused" in following.status()["ledger"]
    ledger.down = False
    following.refresh()
    assert following.status()["ledger"] == "ok"


def test_a_retired_model_no_longer_answers(following: Champions, ledger: FakeLedger) -> None:
    ledger.champion_states["pump"] = stand("pump", None, 2)
    following.refresh()
    assert version_of(following) is None
    assert "has no champion yet" in following.why_not("pump")


def test_reasons_for_models_that_do_not_answer(following: Champions, ledger: FakeLedger) -> None:
    ledger.champion_states["bad"] = stand("bad", 13, 1)
    following.refresh()
    assert "a flipped bit" in following.why_not("bad")
    assert "has no champion yet" in following.why_not("other")
    ledger.down = True
    following.refresh()
    assert "the ledger does not answer" in following.why_not("other")

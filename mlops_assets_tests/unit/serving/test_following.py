"""Champions are followed in the ledger: a new one replaces the old, a broken one never does."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlops_assets.errors import BundleError, ServiceError
from mlops_assets.ledger import Champion, ChampionState
from mlops_assets.serving import champions
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.history import History


class PanicException(BaseException):
    """What polars raises when it panics: not an Exception."""


@dataclass
class FakeLedger:
    """Champion states as a test sets them; `down` and `error` make every query fail."""

    champion_states: dict[str, ChampionState] = field(default_factory=dict)
    down: bool = False
    error: BaseException | None = None

    def models(self) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        if self.down:
            raise ServiceError("connection refused")
        return tuple(self.champion_states)

    def champion_state(self, model: str) -> ChampionState:
        return self.champion_states[model]

    def evidence(self, _hash: str) -> SimpleNamespace:
        return SimpleNamespace(body={"gates": []})


def stand(model: str, version: int | None, revision: int) -> ChampionState:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    champion = None if version is None else Champion(model, version, revision, "evidence", now)
    return ChampionState(model, revision, champion)


@pytest.fixture
def ledger() -> FakeLedger:
    return FakeLedger({"pump": stand("pump", 1, 1)})


@pytest.fixture
def following(ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Champions:
    """Champions over the fake ledger; version 13 is damaged on disk."""

    def load(platform: Any, model: str, version: int) -> tuple[Any, Any]:
        if version == 13:
            raise BundleError("a flipped bit")
        if version == 14:
            raise PanicException("a panic of polars")
        return SimpleNamespace(version=version), SimpleNamespace(
            manifest=SimpleNamespace(data=[]), sample=None
        )

    monkeypatch.setattr(champions, "load_version", load)
    monkeypatch.setattr(champions, "_try_elsewhere", lambda platform, name, version: None)
    trained = SimpleNamespace(name="pump", serving=SimpleNamespace(fallback=()))
    monkeypatch.setattr(champions, "spec_of_bundle", lambda bundle: trained)
    monkeypatch.setattr(champions, "direct_path", lambda served, sample: None)
    monkeypatch.setattr(champions, "read_history", lambda datasets, spec: History())
    platform: Any = SimpleNamespace(ledger=ledger, datasets=None, settings=SimpleNamespace(models=tmp_path))
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
    assert "the ledger does not respond" in following.why_not("other")


@pytest.mark.parametrize(
    "error", [OSError(24, "too many open files"), MemoryError(), PanicException("panic")]
)
def test_no_error_ends_the_following(following: Champions, ledger: FakeLedger, error: BaseException) -> None:
    ledger.error = error
    following.refresh()
    assert type(error).__name__ in following.status()["ledger"]
    ledger.error = None
    ledger.champion_states["pump"] = stand("pump", 2, 2)
    following.refresh()
    assert version_of(following) == 2
    assert following.status()["ledger"] == "ok"


def test_a_model_that_panics_is_named_and_the_others_are_followed(
    following: Champions, ledger: FakeLedger
) -> None:
    ledger.champion_states["a_bad_one"] = stand("a_bad_one", 14, 1)
    ledger.champion_states["pump"] = stand("pump", 2, 2)
    following.refresh()
    assert version_of(following) == 2
    assert "a panic of polars" in following.why_not("a_bad_one")


def test_a_champion_that_failed_is_tried_again_but_not_at_every_tick(
    following: Champions, ledger: FakeLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempts: list[int] = []

    def load(platform: Any, model: str, version: int) -> tuple[Any, Any]:
        attempts.append(version)
        raise BundleError("a flipped bit")

    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    monkeypatch.setattr(champions, "load_version", load)
    monkeypatch.setattr(champions, "_try_elsewhere", lambda platform, name, version: None)
    ledger.champion_states["pump"] = stand("pump", 2, 2)
    for _ in range(5):
        following.refresh()
    assert attempts == [2]
    now += champions.LONGEST_DELAY
    following.refresh()
    assert attempts == [2, 2]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_following_that_ends_is_seen_and_ends_the_process(ledger: FakeLedger, tmp_path: Path) -> None:
    ended = threading.Event()
    platform: Any = SimpleNamespace(ledger=FakeLedger(), settings=SimpleNamespace(models=tmp_path))
    following = Champions(platform, 0.01, ended.set)
    following.start()
    assert following.loops()["champions"]["alive"]

    def broken(seconds: float = 0.0) -> None:
        raise SystemExit

    following.refresh = broken  # type: ignore[method-assign]
    assert ended.wait(30)
    following._thread.join(30)
    assert not following.loops()["champions"]["alive"]


def test_a_following_that_is_stopped_does_not_end_the_process(tmp_path: Path) -> None:
    ended = threading.Event()
    platform: Any = SimpleNamespace(ledger=FakeLedger(), settings=SimpleNamespace(models=tmp_path))
    following = Champions(platform, 0.01, ended.set)
    following.start()
    following.stop()
    assert not ended.is_set()

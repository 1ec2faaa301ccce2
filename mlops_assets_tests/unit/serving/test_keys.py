"""Keys of callers: roles, end, limit, rotation; nothing but their hash is stored."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from mlops_assets.cli import keys as commands
from mlops_assets.errors import ServiceError
from mlops_assets.ledger import ApiKey, Ledger
from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys, digest, new_key
from mlops_assets_tests.unit.serving.served_models import FakeChampions
from mlops_assets_tests.waiting import wait_until

NOW = datetime.now(UTC)
READINGS = {"readings": [{"x": 1.5, "z": 1, "kind": "a"}]}


def issued(role: Any, *, expires: timedelta | None = None, **changes: Any) -> tuple[str, ApiKey]:
    """A key and its record."""
    secret, identity = new_key()
    end = None if expires is None else NOW + expires
    values: dict[str, Any] = {"revoked_at": None, "per_minute": None, **changes}
    return secret, ApiKey(identity, digest(secret.encode()), "ann", role, NOW, "ann", end, **values)


@contextmanager
def served(*records: ApiKey) -> Iterator[TestClient]:
    champions: Any = FakeChampions()
    with TestClient(create_app(champions, Keys("own", lambda: records))) as client:
        yield client


def statuses(client: TestClient, secret: str) -> dict[str, int]:
    headers = {"x-api-key": secret}
    return {
        "predict": client.post("/predict/double", json=READINGS, headers=headers).status_code,
        "tensors": client.get("/v2/models/double", headers=headers).status_code,
        "models": client.get("/models", headers=headers).status_code,
        "docs": client.get("/docs", headers=headers).status_code,
    }


@pytest.mark.parametrize(
    ("role", "refused"), [("predict", {"docs"}), ("read", {"predict"}), ("operate", set())]
)
def test_a_role_may_do_what_it_says(role: str, refused: set[str]) -> None:
    secret, record = issued(role)
    with served(record) as client:
        for action, status in statuses(client, secret).items():
            assert status == (403 if action in refused else 200), action
        assert set(statuses(client, "own").values()) == {200}
        if refused:
            response = client.get("/docs", headers={"x-api-key": secret})
            reply = (
                response
                if role == "predict"
                else client.post("/predict/double", headers={"x-api-key": secret})
            )
            assert f"has the role {role!r}" in reply.json()["detail"]


def test_a_key_that_ended_or_differs_in_one_letter_is_refused() -> None:
    expired, revoked, good = (
        issued("predict", expires=timedelta(seconds=-1)),
        issued("predict", revoked_at=NOW),
        issued("predict", expires=timedelta(days=1)),
    )
    with served(expired[1], revoked[1], good[1]) as client:
        for secret, reason in (
            (expired[0], "expired at"),
            (revoked[0], "was revoked"),
            (good[0][:-1] + ("a" if good[0][-1] != "a" else "b"), "send the key"),
            (f"mlops_{good[1].id}_", "send the key"),
            (good[1].hash, "send the key"),
            ("", "send the key"),
        ):
            response = client.post("/predict/double", json=READINGS, headers={"x-api-key": secret})
            assert response.status_code == 401
            assert reason in response.json()["detail"]
        assert statuses(client, good[0])["predict"] == 200


def test_a_limit_per_minute_is_one_key_s_and_says_when_to_come_back() -> None:
    limited, other = issued("predict", per_minute=3), issued("predict")
    with served(limited[1], other[1]) as client:
        headers = {"x-api-key": limited[0]}
        replies = [client.post("/predict/double", json=READINGS, headers=headers) for _ in range(4)]
        assert [reply.status_code for reply in replies] == [200, 200, 200, 429]
        assert 1 <= int(replies[3].headers["retry-after"]) <= 20
        assert "3 requests a minute" in replies[3].json()["detail"]
        assert statuses(client, other[0])["predict"] == 200


def test_keys_stay_while_the_ledger_does_not_respond() -> None:
    secret, record = issued("predict")
    down = False

    def source() -> tuple[ApiKey, ...]:
        if down:
            raise ServiceError("no response")
        return (record,)

    keys = Keys(None, source)
    keys.refresh()
    down = True
    keys.refresh()
    assert keys.problem == "no response"
    assert keys.refusal(secret.encode(), "predict") is None


def test_without_a_key_of_its_own_nothing_is_open() -> None:
    assert Keys(None).refusal(b"", "predict") is not None
    assert Keys(None).refusal(b"None", "predict") is not None


@pytest.fixture
def mlops(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Run `mlops keys ...` over the test's ledger; the lines that it prints."""

    @contextmanager
    def platform() -> Iterator[Any]:
        yield SimpleNamespace(ledger=ledger)

    monkeypatch.setattr(commands, "open_platform", platform)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(commands.keys, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.output
        return result.stdout.strip()

    return run


def test_a_key_is_printed_once_rotated_and_revoked(ledger: Ledger, mlops: Any) -> None:
    secret = mlops(
        "create", "--owner", "team:water", "--role", "predict", "--expires", "90d", "--per-minute", "60"
    )
    keys = Keys(None, ledger.api_keys)
    keys.refresh()
    assert keys.refusal(secret.encode(), "predict") is None
    [record] = ledger.api_keys()
    assert secret not in repr(record)
    assert secret not in mlops("list", "--json")
    assert re.search(rf"{record.id}.*team:water.*predict.*active", mlops("list"))

    replacement = mlops("rotate", record.id, "--grace", "1d").splitlines()[-1]
    keys.refresh()
    for key in (secret, replacement):
        assert keys.refusal(key.encode(), "predict") is None
    old, new = ledger.api_keys()
    assert (new.owner, new.role, new.per_minute) == (old.owner, old.role, old.per_minute)
    assert old.expires_at is not None
    assert old.expires_at < NOW + timedelta(days=2)

    assert mlops("revoke", new.id) == f"{new.id} is revoked"
    keys.refresh()
    refusal = keys.refusal(replacement.encode(), "predict")
    assert refusal is not None
    assert "revoked" in refusal.reason
    assert mlops("revoke", new.id) == f"{new.id} was revoked before"


class PanicException(BaseException):
    """What polars raises when it panics: not an Exception."""


@pytest.mark.parametrize(
    "error", [OSError(24, "too many open files"), MemoryError(), PanicException("panic")]
)
def test_no_error_ends_the_following_of_keys_and_a_revoked_key_ends(
    error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mlops_assets.serving.keys.REFRESH_SECONDS", 0.01)
    secret, record = issued("predict")
    errors = [error, error]
    state = {"records": [record]}

    def source() -> list[ApiKey]:
        if errors and keys.loops()["api_keys"]["alive"] and state.get("started"):
            raise errors.pop()
        return state["records"]

    keys = Keys(None, source)

    def followed(condition: Callable[[], bool]) -> None:
        """Wait until the condition holds, no longer than the thread lives: one that ended fails at once."""
        wait_until(lambda: condition() or not keys.loops()["api_keys"]["alive"])
        assert keys.loops()["api_keys"]["alive"]

    keys.start()
    try:
        assert keys.refusal(secret.encode(), "predict") is None
        state["started"] = [record]
        followed(lambda: not errors)
        state["records"] = [replace(record, revoked_at=NOW)]
        followed(lambda: keys.refusal(secret.encode(), "predict") is not None)
        followed(lambda: keys.problem is None)
    finally:
        keys.stop()


def test_the_health_of_the_process_counts_the_following_of_keys() -> None:
    keys = Keys("own", tuple)
    champions: Any = FakeChampions()
    with TestClient(create_app(champions, keys)) as client:
        assert client.get("/health").json()["loops"]["api_keys"]["alive"]
        keys.stop()
        wait_until(lambda: client.get("/health").status_code == 503)

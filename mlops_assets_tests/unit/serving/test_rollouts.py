"""Roll-outs in the prediction API: every response by one version, failures cost no response, switches are quick."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mlops_assets.artifacts.rollouts import Rollout
from mlops_assets.errors import BundleError, DataError
from mlops_assets.ledger import Ledger, PostedLabel
from mlops_assets.lifecycle.rollouts import request_transition
from mlops_assets.serving import rollouts
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets.serving.rollouts import Rollouts
from mlops_assets.serving.served import Served
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station
from mlops_assets_tests.unit.lifecycle.test_rollouts import station
from mlops_assets_tests.waiting import wait_until

KEY = {"x-api-key": "secret"}
HALF: dict[str, Any] = {"strategy": "canary", "steps": ["50%", "100%"], "step_time": "1h", "min_requests": 20}


def begun(folder: Path, ledger: Ledger, rollout: dict[str, Any]) -> Station:
    """A station whose version 2 is rolled out since a minute ago; the API has the time of the day."""
    here = station(folder, ledger, rollout)
    here.now = datetime.now(UTC) - timedelta(minutes=1)
    here.challenge()
    return here


def reading(pump: str, flow: float = 200.0) -> dict[str, Any]:
    return {"at": "2026-03-02T00:00:00+00:00", "pump_id": pump, "flow": flow, "power": 60.0}


@contextmanager
def serving(here: Station) -> Iterator[tuple[TestClient, Rollouts]]:
    """The API over the station's ledger and bundles; its threads look often."""
    champions = Champions(here.platform, 0.05)
    following = Rollouts(here.platform, champions, 0.05)
    log = PredictionLog(here.platform.ledger.store_served, flush_seconds=0.05)
    app = create_app(champions, Keys("secret"), here.platform.ledger, log, None, following)
    with TestClient(app) as client:
        yield client, following


def predict(
    client: TestClient, pump: str, flow: float = 200.0, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    body = {"readings": [reading(pump, flow)]}
    response = client.post("/predict/station", json=body, headers=KEY | (headers or {}))
    assert response.status_code == 200, response.text
    document: dict[str, Any] = response.json()
    assert response.headers["x-model-version"] == str(document["version"])
    return document


def versions(client: TestClient, pumps: int = 40) -> dict[str, int]:
    return {f"p{number}": predict(client, f"p{number}")["version"] for number in range(pumps)}


def newest(ledger: Ledger) -> Rollout:
    return ledger.rollouts_of("station", 1)[0]


def broken(monkeypatch: pytest.MonkeyPatch, version: int, respond: Callable[..., Any]) -> None:
    """Every response of a version is what `respond` makes of the rows."""
    real = Served.respond

    def either(self: Served, rows: Any) -> Any:
        return respond(real, self, rows) if self.version == version else real(self, rows)

    monkeypatch.setattr(Served, "respond", either)


def raising(real: Any, served: Any, rows: Any) -> Any:
    raise ZeroDivisionError("a model that divides by zero")


def test_a_canary_serves_its_share_and_a_pump_keeps_its_version(tmp_path: Path, ledger: Ledger) -> None:
    here = begun(tmp_path, ledger, HALF)
    with serving(here) as (client, _):
        first = versions(client)
        assert {1, 2} == set(first.values())
        assert 8 <= sum(version == 2 for version in first.values()) <= 32
        assert versions(client) == first
        assert (
            len({predict(client, "p0", headers={"x-rollout-key": "ann"})["version"] for _ in range(5)}) == 1
        )
        assert "50% of the requests" in client.get("/models", headers=KEY).json()["rollouts"]["station"]


def test_a_canary_that_fails_is_aborted_and_costs_no_response(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begun(tmp_path, ledger, HALF)
    broken(monkeypatch, 2, raising)
    with serving(here) as (client, _):
        began = time.monotonic()
        assert set(versions(client).values()) == {1}
        wait_until(lambda: newest(ledger).state == "aborted", 30)
        assert time.monotonic() - began < 10
        assert "requests that the other version served" in newest(ledger).reason
        assert set(versions(client, 5).values()) == {1}
    assert here.champion() == 1


def test_a_mistake_of_the_caller_is_no_failure_of_the_challenger(tmp_path: Path, ledger: Ledger) -> None:
    here = begun(tmp_path, ledger, HALF)
    with serving(here) as (client, following):
        for number in range(30):
            body = {"readings": [{**reading(f"p{number}"), "flow": "fast"}]}
            assert client.post("/predict/station", json=body, headers=KEY).status_code == 422
        split = following.split("station")
        assert split is not None
        counted = split.counts.observations("a", 0, here.now, loaded=True)
        assert sum(one.requests for one in counted) == 0


def test_the_last_step_makes_the_challenger_champion_without_loading_it_again(
    tmp_path: Path, ledger: Ledger
) -> None:
    here = begun(tmp_path, ledger, {"strategy": "blue_green", "step_time": "5m"})
    with serving(here) as (client, following):
        wait_until(lambda: newest(ledger).state == "switched", 30)  # by itself, as soon as it is loaded
        wait_until(lambda: predict(client, "p0")["version"] == 2, 5)
        assert predict(client, "p0")["revision"] == 2
        began = time.monotonic()
        request_transition(here.platform, "station", "abort", here.run("bob"), "worse on Mondays")
        wait_until(lambda: predict(client, "p0")["version"] == 1, 5)
        assert time.monotonic() - began < 5
        assert following.warm("station", 1) is not None
        wait_until(lambda: predict(client, "p0")["revision"] == 3, 5)
    assert here.champion() == 1


def test_after_the_switch_the_earlier_version_serves_what_the_new_one_fails(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begun(tmp_path, ledger, {"strategy": "blue_green", "step_time": "5m"})
    broken(monkeypatch, 2, raising)
    with serving(here) as (client, _):
        wait_until(lambda: newest(ledger).state == "switched", 30)
        assert {predict(client, f"p{number}")["version"] for number in range(20)} == {1}
        wait_until(lambda: newest(ledger).state == "aborted", 30)
    assert here.history()[-1] == ("rolled_back", 1)


def test_a_shadow_s_predictions_are_stored_and_not_returned(tmp_path: Path, ledger: Ledger) -> None:
    here = begun(tmp_path, ledger, {"strategy": "shadow", "min_labels": 5})
    with serving(here) as (client, _):
        ids = []
        for number in range(20):
            document = predict(client, f"p{number}", 150.0 + number)
            assert document["version"] == 1
            ids.append(document["id"])
        ledger.store_labels("station", [PostedLabel(id_, 1, "60") for id_ in ids], here.now)
        wait_until(lambda: ledger.rollout_pairs(newest(ledger)).height == 20, 30)
        pairs = ledger.rollout_pairs(newest(ledger))
        assert set(pairs["version"]) == {1}
        assert pairs["other_value"].is_not_null().all()
        wait_until(
            lambda: (
                sum(
                    one.requests
                    for one in ledger.rollout_observations(newest(ledger).id)
                    if one.arm == "challenger"
                )
                == 20
            ),
            30,
        )


def test_a_canary_s_requests_are_predicted_by_the_champion_too(tmp_path: Path, ledger: Ledger) -> None:
    here = begun(tmp_path, ledger, HALF)
    with serving(here) as (client, _):
        ids = [predict(client, f"p{number}")["id"] for number in range(20)]
        ledger.store_labels("station", [PostedLabel(id_, 1, "60") for id_ in ids], here.now)
        wait_until(lambda: ledger.rollout_pairs(newest(ledger)).height > 2, 30)
        assert set(ledger.rollout_pairs(newest(ledger))["version"]) == {2}


def test_a_challenger_that_cannot_be_loaded_is_aborted(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begun(tmp_path, ledger, HALF)

    def damaged(*_: Any) -> Served:
        raise BundleError("a flipped bit")

    monkeypatch.setattr(rollouts, "load", damaged)
    with serving(here) as (client, _):
        wait_until(lambda: newest(ledger).state == "aborted", 30)
        assert "version 2 cannot be served: a flipped bit" in newest(ledger).reason
        assert predict(client, "p0")["version"] == 1


def test_a_row_without_a_finite_prediction_is_served_by_the_champion(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = begun(tmp_path, ledger, HALF)

    def picky(real: Any, served: Any, rows: Any) -> Any:
        if rows[0]["flow"] > 300:
            raise DataError("row 1: the model has no finite prediction")
        return real(served, rows)

    broken(monkeypatch, 2, picky)
    with serving(here) as (client, following):
        chosen = next(pump for pump, version in versions(client).items() if version == 2)
        assert predict(client, chosen, 301.0)["version"] == 1
        split = following.split("station")
        assert split is not None
        assert sum(one.errors for one in split.counts.observations("a", 0, here.now, loaded=True)) == 1

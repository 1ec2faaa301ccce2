"""The fallback ladder: a row whose inputs fail steps down, names its rung, and is counted, logged and reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.receipts import receipt
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, NOW, Station, begin
from mlops_assets_tests.unit.serving.test_served import TABLE, row, store
from mlops_assets_tests.waiting import became_true

KEY = {"x-api-key": "secret"}
AT = TABLE["when"].max()
assert isinstance(AT, datetime)


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    """A champion on f and x; the version before it read f only."""
    station = begin(
        tmp_path,
        ledger,
        name="live",
        target="y",
        timestamp="when",
        entity="unit",
        source={"kind": "file", "path": str(tmp_path / "live.csv")},
        validation={"min_rows": 100, "columns": {"x": {"min": -10, "max": 10}}},
        features={"inputs": ["f"], "lags": {"columns": ["f"], "steps": [1]}},
        training={"algorithms": [{"ridge": {}}], "interval": None},
        gates=(GATES[0], {"metric_at_most": {"metric": "rmse", "limit": 1e6}}),
        serving={"fallback": ["previous", "naive", "refuse"], "late_after": "2d"},
    )
    store(station, NOW)
    station.challenge()
    body = station.spec.features.model_copy(update={"inputs": ("f", "x")})
    station.spec = station.spec.model_copy(update={"features": body})
    station.challenge(rmse=0.5, champion_rmse=1.0)
    assert station.champion() == 2
    return station


@pytest.fixture
def champions(station: Station) -> Champions:
    return Champions(station.platform, poll_seconds=3600)


@pytest.fixture
def client(champions: Champions, ledger: Ledger) -> Iterator[TestClient]:
    log = PredictionLog(ledger.store_served, flush_seconds=0.01)
    with TestClient(create_app(champions, Keys("secret"), ledger, log)) as client:
        yield client


def predict(client: TestClient, *rows: dict[str, Any]) -> Any:
    return client.post("/predict/live", json={"readings": list(rows)}, headers=KEY)


def reading(**changes: Any) -> dict[str, Any]:
    return row(NOW + timedelta(hours=1)) | changes


def test_the_champion_predicts_what_it_can(client: TestClient) -> None:
    response = predict(client, reading())
    assert response.json()["rungs"] == ["champion"]
    assert response.json()["reasons"] == [None]
    assert "versions" not in response.json()


def test_a_dead_sensor_steps_down_to_the_version_that_does_not_need_it(client: TestClient) -> None:
    response = predict(client, reading(), reading(x=None, unit="B"))
    document = response.json()
    assert document["rungs"] == ["champion", "previous"]
    assert document["versions"] == [2, 1]
    assert document["reasons"] == [None, "x is missing"]
    assert response.headers["x-fallback-rungs"] == "champion,previous"
    assert all(np.isfinite(document["predictions"]))


def test_an_input_of_both_versions_steps_down_to_the_last_known_value(client: TestClient) -> None:
    document = predict(client, reading(f=1e6)).json()
    last = TABLE.filter((TABLE["unit"] == "A") & (TABLE["when"] <= NOW)).sort("when")["y"][-1]
    assert document["rungs"] == ["naive"]
    assert document["reasons"] == ["f is out of range"]
    assert document["predictions"] == [pytest.approx(last)]


def test_late_readings_step_down(client: TestClient) -> None:
    document = predict(client, row(NOW + timedelta(days=3))).json()
    assert document["rungs"] == ["naive"]
    assert document["reasons"] == ["the newest reading before it is late"]


def test_a_champion_that_fails_on_one_row_does_not_take_the_others_along(
    client: TestClient, champions: Champions
) -> None:
    champion = champions.served("live")
    assert champion is not None
    real = champion.predictor

    class Failing:
        """Fails where x is above 5."""

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

        def predict(self, frame: Any) -> Any:
            if (frame["x"] > 5).any():
                raise ZeroDivisionError
            return real.predict(frame)

    failing: Any = Failing()
    champions._served["live"] = replace(champion, predictor=failing, direct=None)
    document = predict(client, reading(), reading(unit="B", x=6.0)).json()
    assert document["rungs"] == ["champion", "previous"]
    assert document["reasons"][1] == "the champion has no prediction"


def test_the_callers_mistake_is_not_a_failure_of_the_champion(client: TestClient) -> None:
    response = predict(client, reading(x="text"))
    assert response.status_code == 422
    assert "not a number" in response.json()["detail"]


def test_the_last_rung_refuses_with_the_reason(client: TestClient, champions: Champions) -> None:
    champion = champions.served("live")
    assert champion is not None
    serving = champion.spec.serving.model_copy(update={"fallback": ("refuse",)})
    champions._served["live"] = replace(champion, spec=champion.spec.model_copy(update={"serving": serving}))
    response = predict(client, reading(), reading(unit="B", x=None))
    assert response.status_code == 422
    assert "row 2: x is missing" in response.json()["detail"]


def test_rungs_are_counted_logged_and_explained(client: TestClient, ledger: Ledger, station: Station) -> None:
    document = predict(client, reading(x=None), reading(unit="B", f=1e6)).json()
    text = client.get("/metrics", headers=KEY).text
    assert 'mlops_fallback_rows_total{model="live",rung="previous"} 1.0' in text
    assert 'mlops_fallback_rows_total{model="live",rung="naive"} 1.0' in text
    assert became_true(lambda: len(ledger.served_prediction("live", document["id"])) == 2)
    stored = ledger.served_prediction("live", document["id"])
    assert [(one.version, one.rung) for one in stored] == [(1, "previous"), (2, "naive")]
    assert "prediction" in receipt(station.platform, "live", document["id"], 1)["explanation"]
    assert "naive" in receipt(station.platform, "live", document["id"], 2)["explanation"]["missing"]


def test_an_alert_names_rung_and_reason_once_and_closes(
    client: TestClient, champions: Champions, ledger: Ledger, station: Station
) -> None:
    for _ in range(3):
        predict(client, reading(x=None))
        champions.refresh()
    [alert] = [one for one in ledger.alerts(open_only=True) if one.kind == "serving_fallback"]
    assert alert.model == "live"
    assert "rung 'previous'" in alert.message
    assert "x is missing" in alert.message
    champion = champions.served("live")
    assert champion is not None
    assert champion.ladder is not None
    champion.ladder.steps.report(station.platform, champion.spec, datetime.now(UTC) + timedelta(minutes=11))
    assert not [one for one in ledger.alerts(open_only=True) if one.kind == "serving_fallback"]

"""A prediction can be explained at once, and its receipt read long after: the same features, the same SHAP values."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from mlops_assets.cli.receipts import print_receipt
from mlops_assets.errors import MlopsError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.receipts import receipt
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import NOW, Station, begin

KEY = {"x-api-key": "secret"}
READING: dict[str, Any] = {
    "at": (NOW + timedelta(hours=1)).isoformat(),
    "pump_id": "p1",
    "flow": 200.0,
    "power": 66.0,
}


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(tmp_path, ledger)
    station.challenge()
    return station


@pytest.fixture
def client(station: Station, ledger: Ledger) -> Iterator[TestClient]:
    champions = Champions(station.platform, poll_seconds=3600)
    log = PredictionLog(ledger.store_served, flush_seconds=0.01)
    with TestClient(create_app(champions, Keys("secret"), ledger, log)) as client:
        yield client


def test_the_receipt_repeats_the_prediction_and_its_explanation(
    station: Station, client: TestClient, capsys: pytest.CaptureFixture[str]
) -> None:
    body = {"readings": [READING, {**READING, "pump_id": "p0"}]}
    response = client.post("/predict/station", json=body, headers=KEY).json()
    explained = client.post("/explain/station", json=body, headers=KEY).json()
    label = {"id": response["id"], "row": 2, "value": 59.5}
    client.__exit__(None, None, None)  # a clean shutdown writes the log
    with TestClient(
        create_app(Champions(station.platform), Keys("secret"), station.platform.ledger)
    ) as again:
        assert again.post("/labels/station", json={"labels": [label]}, headers=KEY).json() == {"stored": 1}

    document = receipt(station.platform, "station", response["id"], 2)
    made, explanation = document["prediction"], document["explanation"]
    assert made["value"] == response["predictions"][1]
    assert explanation["prediction"] == pytest.approx(made["value"], rel=1e-12)
    assert (made["entity"], made["version"], made["revision"]) == ("p0", 1, 1)
    assert made["readings"] == {**READING, "pump_id": "p0"}
    assert document["label"]["truth"] == "59.5"
    contributions = explanation["contributions"]
    assert {name for name, _, _ in contributions} >= {"flow", "power", "flow_lag_1"}
    total = explanation["base"] + sum(shap for _, _, shap in contributions)
    assert total == pytest.approx(made["value"])
    assert [feature["name"] for feature in explained["explanations"][1]["features"]] == [
        name for name, _, _ in contributions
    ]
    assert document["promotion"]["action"] == "promoted"
    assert {gate["verdict"] for gate in document["evidence"]["gates"]} <= {"pass", "not_applicable"}
    assert document["version"]["manifest_sha256"]

    print_receipt(document, as_json=False)
    text = capsys.readouterr().out
    assert "version 1, revision 1" in text
    assert "label: 59.5" in text
    assert "flow_lag_1 =" in text
    print_receipt(document, as_json=True)
    assert json.loads(capsys.readouterr().out)["prediction"]["id"] == response["id"]


def test_an_unknown_prediction_is_named(station: Station) -> None:
    with pytest.raises(MlopsError, match="no prediction of station has this id"):
        receipt(station.platform, "station", "nothing")


def test_explanations_are_bounded_and_refuse_as_predictions_do(client: TestClient) -> None:
    many = client.post("/explain/station", json={"readings": [READING] * 11}, headers=KEY)
    assert (many.status_code, many.json()["detail"]) == (
        422,
        "11 rows; send at most 10 to be explained at a time",
    )
    wrong = client.post("/explain/station", json={"readings": [{**READING, "flow": "x"}]}, headers=KEY)
    assert wrong.status_code == 422
    assert "row 1, column 'flow'" in wrong.json()["detail"]

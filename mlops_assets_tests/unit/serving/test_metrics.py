"""What Prometheus reads: each request once, by model and status; names that callers invent make no series."""

from __future__ import annotations

import socket
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import urlopen

import pytest
from starlette.testclient import TestClient
from typing_extensions import override

from mlops_assets.serving import metrics, worker_metrics
from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.payload import Row
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets_tests.unit.serving.served_models import FakeChampions, FakeServed

KEY = {"x-api-key": "secret"}
READING = {"x": 1.5, "z": 1, "kind": "a"}


def test_requests_rows_refusals_versions_and_the_log_are_counted() -> None:
    champions: Any = FakeChampions()
    log = PredictionLog(len)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with TestClient(create_app(champions, Keys("secret"), None, log, ("127.0.0.1", port))) as client:
        client.post("/predict/double", json={"readings": [READING, READING]}, headers=KEY)
        client.post("/invocations", json={"inputs": [[1.5]]}, headers=KEY)
        for name in ("nobody", "somebody"):
            client.post(f"/predict/{name}", json={}, headers=KEY)
        client.post("/predict/double", json={})
        text = client.get("/metrics", headers=KEY).text
        with urlopen(f"http://127.0.0.1:{port}/metrics") as response:
            assert b"mlops_requests_total" in response.read()
    lines = set(text.splitlines())
    assert {
        'mlops_requests_total{model="double",status="200"} 1.0',
        'mlops_requests_total{model="double",status="422"} 1.0',
        'mlops_requests_total{model="unknown",status="404"} 2.0',
        'mlops_predictions_total{model="double"} 2.0',
        'mlops_request_seconds_count{model="double"} 2.0',
        'mlops_refused_total{status="401"} 1.0',
        'mlops_champion_info{model="double",revision="1",version="3"} 1.0',
        "mlops_ledger_up 1.0",
        "mlops_prediction_log_lost_total 0.0",
    } <= lines
    assert "somebody" not in text
    assert client.get("/metrics").status_code == 401


def test_a_request_that_fails_in_the_code_is_counted() -> None:
    class Broken(FakeServed):
        @override
        def respond(self, rows: list[Row]) -> dict[str, Any]:
            raise KeyError("broken")

    champions: Any = FakeChampions()
    champions.served = lambda _: Broken()
    with TestClient(create_app(champions, Keys("secret")), raise_server_exceptions=False) as client:
        response = client.post("/predict/double", json={"readings": [READING]}, headers=KEY)
        assert response.status_code == 500
        text = client.get("/metrics", headers=KEY).text
    assert 'mlops_requests_total{model="double",status="500"} 1.0' in text


def test_the_metrics_of_a_process_are_written_by_one_thread_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    champions: Any = FakeChampions()
    process = metrics.Metrics(champions, None, tmp_path)
    reader = Thread(target=process.text)
    writes = 0

    def store(folder: Path, text: bytes) -> None:
        nonlocal writes
        writes += 1
        if writes == 1:
            reader.start()
            reader.join(0.2)
            assert writes == 1, "a reader of half a file sees counters that went down"
        worker_metrics.store(folder, text)

    monkeypatch.setattr(metrics, "store", store)
    process.text()
    reader.join()
    assert writes == 2
    assert b"mlops_ledger_up 1.0" in process.text()

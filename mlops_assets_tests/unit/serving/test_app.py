"""The routes over champions of their own: keys, predictions, and reasons when there is no prediction."""

from __future__ import annotations

import base64
import json
import socket
import struct
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from mlops_assets.errors import DataError
from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.payload import MAX_ROWS, Row
from mlops_assets.serving.table import Columns
from mlops_assets_tests.unit.serving.served_models import server
from mlops_assets_tests.waiting import patience

KEY = {"x-api-key": "secret"}


class FakeServed:
    """Doubles a column, as a loaded champion would."""

    version, revision, is_quick = 3, 1, False
    spec = SimpleNamespace(name="double", description="Doubles", timestamp=None, entity=None)
    predictor = SimpleNamespace(
        algorithm="double",
        classes=(),
        preparation=SimpleNamespace(numbers=(), categories=(), groups=()),
    )
    history = SimpleNamespace(recent=pl.DataFrame())
    columns = Columns(("x",), frozenset(), frozenset(), pl.String())

    def describe(self) -> dict[str, Any]:
        return {"model": "double", "version": 3, "columns": list(self.columns.needed)}

    def respond(self, rows: list[Row]) -> dict[str, Any]:
        if "x" not in rows[0]:
            raise DataError("column 'x' is missing" + "!" * 100_000)
        return {
            "model": "double",
            "version": 3,
            "revision": 1,
            "predictions": [float(row["x"] or 0) * 2 for row in rows],
        }


class FakeChampions:
    """One model that predicts, one that is known, and reasons for all others."""

    started = False
    alive = True
    empty = False
    is_cached = False

    def parities(self) -> dict[str, Any]:
        return {}

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def served(self, model: str) -> FakeServed | None:
        return FakeServed() if model == "double" else None

    def known(self) -> tuple[str, ...]:
        return ("double", "pump")

    def is_known(self, model: str) -> bool:
        return model in self.known()

    def why_not(self, model: str) -> str:
        return f"{model} has no champion yet"

    def loops(self) -> dict[str, Any]:
        return {"champions": {"alive": self.alive, "seconds": 0.1}}

    def status(self) -> dict[str, Any]:
        models = {} if self.empty else {"double": {"version": 3, "revision": 1}}
        return {"models": models, "problems": {}, "ledger": "ok"}


@pytest.fixture
def champions() -> FakeChampions:
    return FakeChampions()


@pytest.fixture
def client(champions: Any) -> Iterator[TestClient]:
    with TestClient(create_app(champions, Keys("secret"))) as client:
        assert champions.started
        yield client
    assert not champions.started


def test_predictions_name_the_version_that_made_them(client: TestClient) -> None:
    response = client.post("/predict/double", json={"readings": [{"x": 1}, {"x": 2.5}]}, headers=KEY)
    assert response.status_code == 200
    document = response.json()
    assert document.pop("id") == response.headers["x-prediction-id"]
    assert document == {"model": "double", "version": 3, "revision": 1, "predictions": [2.0, 5.0]}
    assert (response.headers["x-model-version"], response.headers["x-model-revision"]) == ("3", "1")


@pytest.mark.parametrize(
    "body",
    [{"features": [[1], [2.5]]}, {"features": [[1], [2.5]], "columns": ["x"]}],
)
def test_a_matrix_is_read_in_the_order_of_the_model_s_columns(
    client: TestClient, body: dict[str, Any]
) -> None:
    assert client.get("/models/double", headers=KEY).json()["columns"] == ["x"]
    assert client.post("/predict/double", json=body, headers=KEY).json()["predictions"] == [2.0, 5.0]


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "wrong"}, {"x-api-key": ""}, {"x-api-key": "secr\u00e9t"}]
)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/predict/double"),
        ("GET", "/models"),
        ("GET", "/models/double"),
        ("GET", "/docs"),
        ("GET", "/docs/"),
        ("GET", "/openapi.json"),
        ("GET", "/unknown"),
    ],
)
def test_nothing_is_returned_without_the_key(
    client: TestClient, headers: dict[str, str], method: str, path: str
) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    response = client.request(method, path, json={"readings": [{"x": 1}]}, headers=encoded)
    assert response.status_code == 401
    assert "predict" not in response.text


def test_a_browser_signs_in_to_the_pages_with_the_key_and_nothing_is_loaded_from_elsewhere(
    client: TestClient,
) -> None:
    sign_in = {"authorization": "Basic " + base64.b64encode(b"anybody:secret").decode()}
    assert "Basic" in client.get("/docs").headers["www-authenticate"]
    page = client.get("/docs", headers=sign_in)
    assert page.status_code == 200
    assert "/predict/{model}" in page.text
    assert "<script" not in page.text
    assert "https://" not in page.text
    assert client.get("/openapi.json", headers=sign_in).json()["paths"]["/predict/{model}"]
    # a form of another site would be sent with the same sign-in
    assert client.post("/predict/double", json={}, headers=sign_in).status_code == 401


def test_health_needs_no_key_and_says_that_a_loop_has_ended(
    client: TestClient, champions: FakeChampions
) -> None:
    assert client.get("/health").json()["status"] == "alive"
    champions.alive = False
    response = client.get("/health")
    assert (response.status_code, response.json()["status"]) == (503, "a background loop has ended")


def test_predictions_from_a_cache_are_flagged(client: TestClient, champions: FakeChampions) -> None:
    assert (
        "x-ledger"
        not in client.post(
            "/predict/double", json={"readings": [{"x": 1.5, "z": 1, "kind": "a"}]}, headers=KEY
        ).headers
    )
    champions.is_cached = True
    response = client.post(
        "/predict/double", json={"readings": [{"x": 1.5, "z": 1, "kind": "a"}]}, headers=KEY
    )
    assert response.headers["x-ledger"] == "unreachable"
    assert client.get("/ready").status_code == 200
    assert "does not respond" in client.get("/ready").json()["degraded"]


def test_ready_is_not_before_there_is_a_champion(client: TestClient, champions: FakeChampions) -> None:
    assert client.get("/ready").json() == {"ready": True}
    champions.empty = True
    response = client.get("/ready")
    assert response.status_code == 503
    assert "no model has a champion" in response.json()["reason"]


def test_a_model_without_champion_says_why(client: TestClient) -> None:
    response = client.post("/predict/pump", json={"readings": [{"x": 1}]}, headers=KEY)
    assert (response.status_code, response.json()["detail"]) == (503, "pump has no champion yet")


def test_an_unknown_model_is_not_found_and_the_known_ones_are_named(client: TestClient) -> None:
    response = client.post("/predict/pmup", json={"readings": [{"x": 1}]}, headers=KEY)
    assert response.status_code == 404
    assert response.json()["detail"] == "there is no model 'pmup'; known models: double, pump"


def test_readings_the_model_cannot_use_are_refused_in_a_bounded_sentence(client: TestClient) -> None:
    response = client.post("/predict/double", json={"readings": [{"y": 1}]}, headers=KEY)
    assert response.status_code == 422
    assert response.json()["detail"].startswith("column 'x' is missing")
    assert len(response.content) < 2000


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"readings": []},
        {"readings": [{"x": [1]}]},
        {"readings": [{"x": 1}], "more": 1},
        {"rows": [{"x": 1}]},
        {"features": [[1, 2]]},
        {"features": [[1]], "readings": [{"x": 1}]},
    ],
)
def test_other_shapes_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/predict/double", json=body, headers=KEY).status_code == 422


def test_too_many_rows_are_refused(client: TestClient) -> None:
    rows = [{"x": 1}] * (MAX_ROWS + 1)
    response = client.post("/predict/double", json={"readings": rows}, headers=KEY)
    assert response.status_code == 422
    assert "at most 10,000" in response.json()["detail"]


def test_a_body_that_is_too_large_is_refused(client: TestClient) -> None:
    response = client.post("/predict/double", content=b" " * 1_100_000, headers=KEY)
    assert (response.status_code, "larger than" in response.text) == (413, True)
    chunks = (b" " * 100_000 for _ in range(12))
    response = client.post("/predict/double", content=chunks, headers=KEY)
    assert (response.status_code, "larger than" in response.text) == (413, True)


def test_callers_that_leave_before_their_response_end_nothing() -> None:
    """The response of each is computed for nobody; the next caller gets its own."""
    body = json.dumps({"readings": [{"x": 1.5}] * 500}).encode()
    head = f"POST /predict/double HTTP/1.1\r\nHost: x\r\nx-api-key: secret\r\nContent-Length: {len(body)}\r\n\r\n"
    champions: Any = FakeChampions()
    with server(create_app(champions, Keys("secret"))) as port:
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", port)) as caller:
                caller.setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )  # reset, not closed
                caller.sendall(head.encode() + body)
        with socket.create_connection(("127.0.0.1", port)) as caller:
            caller.settimeout(patience(20))
            caller.sendall(head.encode() + body)
            assert caller.recv(100).startswith(b"HTTP/1.1 200")

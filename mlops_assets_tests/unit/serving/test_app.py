"""The HTTP face over champions of its own: keys, answers, and reasons when there is no answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest
from starlette.testclient import TestClient

from mlops_assets.errors import DataError
from mlops_assets.serving.app import MAX_ROWS, create_app

KEY = {"x-api-key": "secret"}


class FakeServed:
    """Doubles a column; stands where a loaded champion would."""

    def predict(self, rows: pl.DataFrame) -> dict[str, Any]:
        if "x" not in rows.columns:
            raise DataError("column 'x' is missing")
        return {"model": "double", "version": 3, "predictions": (rows["x"] * 2).to_list()}


class FakeChampions:
    """One model that answers, and reasons for all others."""

    started = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def served(self, model: str) -> FakeServed | None:
        return FakeServed() if model == "double" else None

    def why_not(self, model: str) -> str:
        return f"{model} has no champion yet"

    def status(self) -> dict[str, Any]:
        return {"models": {"double": {"version": 3, "revision": 1}}}


@pytest.fixture
def client() -> Iterator[TestClient]:
    champions: Any = FakeChampions()
    with TestClient(create_app(champions, "secret")) as client:
        assert champions.started
        yield client
    assert not champions.started


def test_predictions_name_the_version_that_made_them(client: TestClient) -> None:
    answer = client.post("/predict/double", json={"readings": [{"x": 1}, {"x": 2.5}]}, headers=KEY)
    assert answer.status_code == 200
    assert answer.json() == {"model": "double", "version": 3, "predictions": [2.0, 5.0]}


@pytest.mark.parametrize(
    "headers", [{}, {"x-api-key": "wrong"}, {"x-api-key": ""}, {"x-api-key": "secr\u00e9t"}]
)
@pytest.mark.parametrize(("method", "path"), [("POST", "/predict/double"), ("GET", "/models")])
def test_nothing_is_answered_without_the_key(
    client: TestClient, headers: dict[str, str], method: str, path: str
) -> None:
    encoded = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    answer = client.request(method, path, json={"readings": [{"x": 1}]}, headers=encoded)
    assert answer.status_code == 401
    assert "predictions" not in answer.text


def test_health_needs_no_key(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "alive"}


def test_a_model_without_champion_says_why(client: TestClient) -> None:
    answer = client.post("/predict/pump", json={"readings": [{"x": 1}]}, headers=KEY)
    assert (answer.status_code, answer.json()["detail"]) == (503, "pump has no champion yet")


def test_readings_the_model_cannot_use_are_the_callers_to_mend(client: TestClient) -> None:
    answer = client.post("/predict/double", json={"readings": [{"y": 1}]}, headers=KEY)
    assert (answer.status_code, answer.json()["detail"]) == (422, "column 'x' is missing")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"readings": []},
        {"readings": [{"x": [1]}]},
        {"readings": [{"x": 1}], "more": 1},
        {"rows": [{"x": 1}]},
    ],
)
def test_other_shapes_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/predict/double", json=body, headers=KEY).status_code == 422


def test_too_many_rows_are_refused(client: TestClient) -> None:
    rows = [{"x": 1}] * (MAX_ROWS + 1)
    assert client.post("/predict/double", json={"readings": rows}, headers=KEY).status_code == 422


def test_columns_of_changing_types_do_not_break_the_server(client: TestClient) -> None:
    answer = client.post("/predict/double", json={"readings": [{"x": 1}, {"x": "two"}]}, headers=KEY)
    assert answer.status_code == 422
    assert "these readings cannot be used" in answer.json()["detail"]

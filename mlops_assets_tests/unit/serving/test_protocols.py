"""Request formats that people already use: MLflow scoring and the Open Inference Protocol, with its real client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from mlops_assets.serving.app import create_app
from mlops_assets.serving.keys import Keys
from mlops_assets_tests.unit.serving.served_models import FakeChampions, server

KEY = {"x-api-key": "secret"}
RECORD = {"x": 1.5, "z": 1, "kind": "a"}
OTHER = {"x": 2, "z": 0, "kind": "b"}
NAMES = list(RECORD)
TABLE = [list(RECORD.values()), list(OTHER.values())]
TENSORS: list[dict[str, Any]] = [
    {"name": "x", "shape": [2], "datatype": "FP64", "data": [1.5, 2]},
    {"name": "z", "shape": [2, 1], "datatype": "INT64", "data": [[1], [0]]},
    {"name": "kind", "shape": [2], "datatype": "BYTES", "data": ["a", "b"]},
]


@pytest.fixture
def client() -> Iterator[TestClient]:
    champions: Any = FakeChampions()
    with TestClient(create_app(champions, Keys("secret"))) as client:
        yield client


@pytest.mark.parametrize("path", ["/models/double/invocations", "/invocations", "/invocations?model=double"])
@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": NAMES, "index": [0, 1], "data": TABLE}},
        {"dataframe_split": {"data": TABLE}},
        {"dataframe_records": [RECORD, OTHER]},
        {"instances": [RECORD, OTHER]},
        {"instances": TABLE},
        {"inputs": {name: [RECORD[name], OTHER[name]] for name in NAMES}},
        {"inputs": TABLE, "params": {}},
    ],
)
def test_every_input_of_mlflow_s_server_gets_the_same_predictions(
    client: TestClient, path: str, body: dict[str, Any]
) -> None:
    response = client.post(path, json=body, headers=KEY)
    assert response.status_code == 200, response.text
    document = response.json()
    assert document["predictions"] == [4.0, 4.0]
    assert (document["model"], document["version"], document["revision"]) == ("double", 3, 1)
    assert document["id"] == response.headers["x-prediction-id"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "exactly one of dataframe_split"),
        ([], "exactly one of"),
        ({"inputs": [[1]], "instances": [[1]]}, "exactly one of"),
        ({"inputs": [[1, 2]]}, "row 1: 2 values, expected 3"),
        ({"inputs": {"x": 1}}, "column 'x': a list of values"),
        ({"inputs": {"x": [1], "z": [1, 2]}}, "column 'x' has 1 values, column 'z' 2"),
        ({"inputs": {}}, "at least one row"),
        ({"instances": [RECORD, 3]}, "row 2: a reading is an object"),
        ({"dataframe_split": TABLE}, "'columns' and 'data'"),
        ({"dataframe_records": {"x": [1]}}, "must be a list"),
        ({"instances": TABLE, "params": {"a": 1}}, "take no 'params'"),
        ({"instances": TABLE, "other": 1}, "unknown key 'other'"),
    ],
)
def test_a_body_that_is_none_of_mlflow_s_is_refused(client: TestClient, body: Any, reason: str) -> None:
    response = client.post("/invocations", json=body, headers=KEY)
    assert (response.status_code, response.json()["error_code"]) == (422, "BAD_REQUEST")
    assert reason in response.json()["message"]


def test_csv_is_refused_with_the_formats_that_are_read(client: TestClient) -> None:
    response = client.post("/invocations", content=b"x,z\n1,2", headers={**KEY, "content-type": "text/csv"})
    assert response.status_code == 422
    assert "'text/csv' is not read; send a JSON object" in response.json()["message"]


@pytest.mark.parametrize(
    "inputs",
    [
        TENSORS,
        [{"name": "all", "shape": [2, 3], "datatype": "BYTES", "data": [1.5, 1, "a", 2, 0, "b"]}],
    ],
)
def test_tensors_by_column_or_as_a_matrix(client: TestClient, inputs: list[dict[str, Any]]) -> None:
    response = client.post("/v2/models/double/infer", json={"id": "mine", "inputs": inputs}, headers=KEY)
    assert response.status_code == 200, response.text
    document = response.json()
    assert (document["model_name"], document["model_version"], document["id"]) == ("double", "3", "mine")
    assert document["parameters"] == {"prediction_id": response.headers["x-prediction-id"], "revision": 1}
    predictions, low = document["outputs"]
    assert predictions == {"name": "predictions", "datatype": "FP64", "shape": [2], "data": [4.0, 4.0]}
    assert low["data"] == [3.0, 3.0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"shape": [3]}, "2 values, expected 3"),
        ({"shape": [-1]}, "list of whole numbers"),
        ({"shape": [0]}, "at least one row"),
        ({"shape": [10**9]}, "send at most"),
        ({"shape": [1, 1, 2]}, "[rows] or [rows, columns]"),
        ({"datatype": "FP128"}, "'FP128' is not one of"),
        ({"name": 1}, "input 1: an input is an object"),
        ({"data": 1}, "'data' must be a list"),
        ({"parameters": {"binary_data_size": 8}}, "'binary_data_size'"),
        ({"name": "z"}, "'z' occurs twice"),
        ({"data": [[1, 2], [[]]]}, "3 values, expected 2"),
    ],
)
def test_a_tensor_that_contradicts_itself_is_refused(
    client: TestClient, change: dict[str, Any], reason: str
) -> None:
    body = {"inputs": [TENSORS[0] | change, *TENSORS[1:]]}
    response = client.post("/v2/models/double/infer", json=body, headers=KEY)
    assert response.status_code == 422
    assert reason in response.json()["error"]


@pytest.mark.parametrize(
    ("length", "tail", "reason"),
    [("x", b"", "not a length"), ("9" * 30, b"", "not a length"), (None, b"12345678", "belong to no input")],
)
def test_binary_data_that_is_not_announced_is_refused(
    client: TestClient, length: str | None, tail: bytes, reason: str
) -> None:
    document = json.dumps({"inputs": TENSORS}).encode()
    headers = {**KEY, "inference-header-content-length": length or str(len(document))}
    response = client.post("/v2/models/double/infer", content=document + tail, headers=headers)
    assert response.status_code == 422
    assert reason in response.json()["error"]


def test_another_version_than_the_champion_is_not_found(client: TestClient) -> None:
    body = {"inputs": TENSORS}
    assert client.post("/v2/models/double/versions/3/infer", json=body, headers=KEY).status_code == 200
    response = client.post("/v2/models/double/versions/2/infer", json=body, headers=KEY)
    assert (response.status_code, response.json()["error"]) == (
        404,
        "version '2' of double does not serve; the champion is 3",
    )


@pytest.mark.parametrize(("model", "status"), [("pump", 503), ("nobody", 404)])
def test_errors_have_the_shape_that_the_protocol_s_clients_read(
    client: TestClient, model: str, status: int
) -> None:
    for path, key in (
        (f"/predict/{model}", "detail"),
        (f"/models/{model}/invocations", "message"),
        (f"/v2/models/{model}/infer", "error"),
    ):
        response = client.post(path, json={}, headers=KEY)
        assert response.status_code == status
        assert model in response.json()[key]


def test_the_documentation_has_each_champion_s_columns_and_an_example_that_works(client: TestClient) -> None:
    paths = client.get("/openapi.json", headers=KEY).json()["paths"]
    assert {"/predict/{model}", "/models/{model}/invocations", "/v2/models/{model}/infer"} <= set(paths)
    content = paths["/predict/double"]["post"]["requestBody"]["content"]["application/json"]
    reading = content["schema"]["oneOf"][0]["properties"]["readings"]["items"]
    assert reading["properties"] == {
        "x": {"type": ["number", "null"]},
        "z": {"type": ["number", "null"]},
        "kind": {"type": "string"},
    }
    assert client.post("/predict/double", json=content["example"], headers=KEY).status_code == 200
    assert "/predict/double" in client.get("/docs", headers=KEY).text


def test_the_client_of_the_open_inference_protocol_works_with_binary_tensors_and_json() -> None:
    triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    champions: Any = FakeChampions()
    with server(create_app(champions, Keys("secret"))) as port:
        client = triton.InferenceServerClient(f"127.0.0.1:{port}")
        assert client.is_server_live(headers=KEY)
        assert client.is_server_ready(headers=KEY)
        assert client.is_model_ready("double", headers=KEY)
        assert client.get_server_metadata(headers=KEY)["name"] == "mlops_assets"
        metadata = client.get_model_metadata("double", headers=KEY)
        assert [tensor["name"] for tensor in metadata["inputs"]] == NAMES
        columns = {
            "x": np.array([1.5, 2.0]),
            "z": np.array([1, 0], dtype=np.int64),
            "kind": np.array(["a", "b"], dtype=object),
        }
        types = {"x": "FP64", "z": "INT64", "kind": "BYTES"}
        for binary in (True, False):
            inputs = []
            for name, values in columns.items():
                tensor = triton.InferInput(name, list(values.shape), types[name])
                tensor.set_data_from_numpy(values, binary_data=binary)
                inputs.append(tensor)
            # the client adds headers of its own to the dictionary
            result = client.infer("double", inputs, headers=dict(KEY))
            assert result.as_numpy("predictions").tolist() == [4.0, 4.0]
            assert result.get_response()["model_version"] == "3"
        client.close()

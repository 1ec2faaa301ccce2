"""The OpenAPI description of the prediction routes: for each champion its own columns and an example that works.

Comes in: the champions that serve. Goes out: the part `paths` of an OpenAPI document.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from mlops_assets.serving.champions import Champions
from mlops_assets.serving.served import Served

EXAMPLE_TIME: Final = "2026-01-31T08:00:00Z"
RESPONSES: Final = {
    "200": {"description": "One prediction per row, with id, version and revision"},
    "401": {"description": "The key is missing or wrong"},
    "404": {"description": "There is no such model"},
    "413": {"description": "The body is too large"},
    "422": {"description": "The body cannot be read; the reason names row and column"},
    "503": {"description": "The model has no champion that can be served"},
}
DESCRIPTIONS: Final = {
    "/predict/{model}": "Predict from `readings` (a list of objects) or `features` (a list of lists).",
    "/models/{model}/invocations": "Predict from dataframe_split, dataframe_records, instances or inputs, as MLflow's "
    "model server does. `/invocations` serves the only model.",
    "/v2/models/{model}/infer": "Predict from tensors (Open Inference Protocol, version 2).",
}


def prediction_paths(champions: Champions) -> dict[str, Any]:
    """Return the prediction routes: one for all models in each protocol, and one per champion with its columns.

    Args:
        champions: The champions that serve.

    Returns:
        OpenAPI's path items by path.
    """
    paths: dict[str, Any] = {}
    parameter = {"name": "model", "in": "path", "required": True, "schema": {"type": "string"}}
    for path, description in DESCRIPTIONS.items():
        body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
        post = {"description": description, "requestBody": body, "responses": RESPONSES}
        paths[path] = {"post": {**post, "parameters": [parameter]}}
    for name in sorted(champions.status()["models"]):
        if (served := champions.served(name)) is not None:
            paths[f"/predict/{name}"] = {"post": _operation(served)}
    return paths


def _operation(served: Served) -> dict[str, Any]:
    text, required = served.columns.as_text(served.spec), list(served.columns.needed)
    properties: dict[str, Any] = {
        name: {"type": "string" if name in text else ["number", "null"]} for name in required
    }
    if served.spec.timestamp in properties:
        properties[str(served.spec.timestamp)] = {"type": "string", "format": "date-time"}
    if served.spec.entity in properties:
        properties[str(served.spec.entity)] = {"type": ["string", "integer"]}
    reading = {"type": "object", "properties": properties, "required": required}
    value = {"type": ["number", "string", "boolean", "null"]}
    matrix = {"type": "array", "items": {"type": "array", "items": value}, "minItems": 1}
    shapes = [
        _shape("readings", {"readings": {"type": "array", "items": reading, "minItems": 1}}),
        _shape("features", {"features": matrix, "columns": {"type": "array", "items": {"type": "string"}}}),
    ]
    return {
        "summary": f"{served.spec.name}, version {served.version}",
        "description": served.spec.description,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"oneOf": shapes},
                    "example": {"readings": [example_reading(served)]},
                }
            },
        },
        "responses": RESPONSES,
    }


def _shape(required: str, properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [required],
        "properties": properties,
        "additionalProperties": False,
    }


def example_reading(served: Served) -> dict[str, Any]:
    """Return a reading that the model takes: usual numbers and known categories of its training data.

    Args:
        served: The champion.

    Returns:
        Value by column.
    """
    preparation = served.predictor.preparation
    known: dict[str, Any] = {
        number.name: number.centre if number.fill is None else number.fill for number in preparation.numbers
    }
    known |= {one.name: next(iter(one.values), "") for one in preparation.categories}
    known |= {group.by: next(iter(group.values), "") for group in preparation.groups}
    latest = _latest_reading(served)
    reading: dict[str, Any] = {}
    for name in served.columns.needed:
        if name == served.spec.timestamp:
            at = latest.get(name)
            # a minute later: lags and windows look back at what is stored
            reading[name] = EXAMPLE_TIME if at is None else (at + timedelta(minutes=1)).isoformat()
        elif name == served.spec.entity:
            reading[name] = latest.get(name, "A")
        else:
            usual = known.get(name, "" if name in served.columns.text else 0.0)
            reading[name] = usual if latest.get(name) is None else latest[name]
    return reading


def _latest_reading(served: Served) -> dict[str, Any]:
    """Return the newest stored reading of a model that looks back; nothing for others."""
    recent, timestamp = served.history.recent, served.spec.timestamp
    if timestamp is None or timestamp not in recent.columns or not recent.height:
        return {}
    return recent.sort(timestamp).row(-1, named=True)

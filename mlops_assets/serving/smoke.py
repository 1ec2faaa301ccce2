"""A smoke test of a deployment: every champion predicts its own example over HTTP, with the right version."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Final

import requests

from mlops_assets.errors import ServiceError

SECONDS: Final = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What happened to one model. problem: '' where it predicted."""

    model: str
    version: int | None
    milliseconds: float
    problem: str = ""


def smoke(url: str, key: str) -> list[Outcome]:
    """Let every model of a deployment predict the example of its documentation.

    Args:
        url: Address of the prediction API, such as `http://127.0.0.1:8000`.
        key: A key with the role operate.

    Returns:
        One outcome per champion and per model that cannot be served, by name.

    Raises:
        ServiceError: The API does not respond, or refuses the key.
    """
    with requests.Session() as session:
        session.headers["x-api-key"] = key
        status = _document(session, f"{url}/models")
        paths = _document(session, f"{url}/openapi.json")["paths"]
        outcomes = [
            _predict(session, url, model, champion["version"], paths.get(f"/predict/{model}"))
            for model, champion in status["models"].items()
        ]
    outcomes += [Outcome(model, None, 0.0, str(problem)) for model, problem in status["problems"].items()]
    return sorted(outcomes, key=lambda outcome: outcome.model)


def _document(session: requests.Session, url: str) -> Any:
    try:
        response = session.get(url, timeout=SECONDS)
        response.raise_for_status()
        return response.json()
    except (requests.RequestException, ValueError) as error:
        raise ServiceError(f"the prediction API does not respond as expected: {error}") from None


def _predict(session: requests.Session, url: str, model: str, version: int, operation: Any) -> Outcome:
    if operation is None:
        return Outcome(model, version, 0.0, "its documentation has no example")
    example = operation["post"]["requestBody"]["content"]["application/json"]["example"]
    try:
        response = session.post(f"{url}/predict/{model}", json=example, timeout=SECONDS)
        document = response.json()
    except (requests.RequestException, ValueError) as error:
        return Outcome(model, version, 0.0, f"no response: {error}")
    milliseconds = response.elapsed.total_seconds() * 1000
    return Outcome(model, version, milliseconds, _problem(response.status_code, document, version))


def _problem(status: int, document: Any, version: int) -> str:
    """Return what is wrong with a response, or ''."""
    if status != 200:
        return f"status {status}: {document.get('detail', document)}"
    predictions = document.get("predictions") or [None]
    if not all(
        isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value))
        for value in predictions
    ):
        return f"the prediction is {predictions[0]!r}"
    if document.get("version") != version:
        return f"version {document.get('version')} predicted, {version} is the champion"
    return ""

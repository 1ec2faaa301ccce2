"""What the probe asks of the prediction API: its health, and the prediction of one champion's own example."""

from __future__ import annotations

import math
from typing import Any, Final

from mlops_assets.errors import ServiceError

SECONDS: Final = 30.0


def ask_api(url: str, key: str) -> None:
    """Let the API predict the example of its first champion; without a champion its status is enough.

    Args:
        url: Address of the API.
        key: A key that may read and predict.

    Raises:
        ServiceError: It does not respond, or its prediction is no number and no label.
    """
    import requests

    def document(method: str, path: str, body: Any = None) -> Any:
        try:
            response = requests.request(
                method, f"{url}{path}", json=body, headers={"x-api-key": key}, timeout=SECONDS
            )
            response.raise_for_status()
            return response.json()
        except (requests.RequestException, ValueError) as error:
            raise ServiceError(f"the prediction API does not respond as expected: {error}") from None

    champions = document("GET", "/models")["models"]
    paths = document("GET", "/openapi.json")["paths"]
    for model in sorted(champions):
        if operation := paths.get(f"/predict/{model}"):
            example = operation["post"]["requestBody"]["content"]["application/json"]["example"]
            values = document("POST", f"/predict/{model}", example).get("predictions") or [None]
            wrong = [
                one for one in values if one is None or (isinstance(one, float) and not math.isfinite(one))
            ]
            if wrong:
                raise ServiceError(f"{model} predicts {wrong[0]!r} for its example")
            return

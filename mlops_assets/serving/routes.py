"""The routes that make predictions, served without the web framework; everything else goes to the application behind.

Comes in: `POST` requests of every protocol. Goes out: the response in the protocol's own shape, with the version, the
revision and an id of the prediction in the body and in the headers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from typing import Any, Final, TypeVar
from urllib.parse import parse_qs

import polars as pl
from pydantic_core import to_json
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from mlops_assets.errors import MlopsError
from mlops_assets.serving.champions import Champions, describe
from mlops_assets.serving.entities import with_newest_readings
from mlops_assets.serving.guard import App, Receive, Send
from mlops_assets.serving.metrics import Metrics
from mlops_assets.serving.payload import shorten
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets.serving.protocols.mlflow_scoring import MLFLOW_SCORING
from mlops_assets.serving.protocols.open_inference import OPEN_INFERENCE
from mlops_assets.serving.protocols.protocol import Decoded, Protocol
from mlops_assets.serving.protocols.records import RECORDS
from mlops_assets.serving.rollouts import Rollouts
from mlops_assets.serving.served import Served
from mlops_assets.serving.split import KEY_HEADER, Split

T = TypeVar("T")

LONGEST_REASON: Final = 1000
"""Characters of the reason in a response, whatever was sent."""

INLINE_BYTES: Final = 16_384
"""A longer body is decoded and predicted in a thread, so that other requests do not wait."""


class PredictionRoutes:
    """An ASGI application that predicts, around another that has all other routes.

    Args:
        app: The application behind.
        champions: The champions that serve.
        log: Where predictions are logged; None for nowhere.
        metrics: Where requests are counted; None for nowhere.
        rollouts: The roll-outs under way; None for none.
    """

    def __init__(
        self,
        app: App,
        champions: Champions,
        log: PredictionLog | None = None,
        metrics: Metrics | None = None,
        rollouts: Rollouts | None = None,
    ) -> None:
        self._app, self._champions, self._log, self._metrics = app, champions, log, metrics
        self._rollouts = rollouts

    async def __call__(self, scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        target = self._target(scope) if scope["type"] == "http" and scope["method"] == "POST" else None
        if target is None:
            await self._app(scope, receive, send)
            return
        protocol, model, version = target
        began, rows, known = time.perf_counter(), 0, None
        headers: list[tuple[bytes, bytes]] = []
        try:
            served = served_model(self._champions, self._only_model() if model is None else model, version)
            known = served.spec.name
            body = await _read(receive)
            if body is None:
                return  # the client went away
            request_headers = scope.get("mlops.headers") or dict(scope["headers"])
            prediction_id = new_prediction_id()
            split = self._rollouts.split(known) if self._rollouts is not None and version is None else None
            if (served if split is None else split).is_quick and len(body) <= INLINE_BYTES:
                decoded, made, served = _predict(
                    served, split, protocol, body, request_headers, prediction_id
                )
            else:
                decoded, made, served = await run_in_threadpool(
                    _predict, served, split, protocol, body, request_headers, prediction_id
                )
            if split is not None and self._rollouts is not None:
                self._rollouts.note(split, served, decoded.rows, prediction_id)
            if self._log is not None:
                self._log.add(served, decoded.rows, made)
            if "rungs" in made:
                self._report(served, made)
            document, rows = protocol.encode(made, decoded.request_id), len(decoded.rows)
            status, headers = 200, _provenance(served, prediction_id)
            if self._champions.is_cached:
                headers.append((b"x-ledger", b"unreachable"))
            if "rungs" in made:
                headers.append((b"x-fallback-rungs", ",".join(sorted(set(made["rungs"]))).encode()))
        except HTTPException as error:
            status, document = error.status_code, protocol.error(error.status_code, error.detail)
            headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
        await respond(send, status, document, headers)
        if self._metrics is not None:
            self._metrics.count(known, status, time.perf_counter() - began, rows)

    def _report(self, served: Served, made: dict[str, Any]) -> None:
        """Count the rungs of a response, and remember for an alert what made rows step down."""
        if self._metrics is not None:
            self._metrics.count_rungs(served.spec.name, made["rungs"])
        if served.ladder is not None:
            served.ladder.steps.add(made["rungs"], made["reasons"])

    def _target(self, scope: MutableMapping[str, Any]) -> tuple[Protocol, str | None, str | None] | None:
        """Return protocol, model and version that a path names."""
        match scope["path"].strip("/").split("/"):
            case ["predict", model]:
                return RECORDS, model, None
            case ["models", model, "invocations"]:
                return MLFLOW_SCORING, model, None
            case ["invocations"]:
                query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
                return MLFLOW_SCORING, query.get("model", [None])[0], None
            case ["v2", "models", model, "infer"]:
                return OPEN_INFERENCE, model, None
            case ["v2", "models", model, "versions", version, "infer"]:
                return OPEN_INFERENCE, model, version
            case _:
                return None

    def _only_model(self) -> str:
        models = list(self._champions.status()["models"])
        if len(models) == 1:
            return str(models[0])
        if not models:
            raise HTTPException(503, "no model has a champion that can be served")
        names = shorten(", ".join(models), LONGEST_REASON // 2, quote=False)
        raise HTTPException(422, f"several models serve: send to /models/MODEL/invocations; models: {names}")


def served_model(champions: Champions, model: str, version: str | None = None) -> Served:
    """Return the champion that serves.

    Args:
        champions: The champions that serve.
        model: The requested model.
        version: The requested version; None for the champion's.

    Returns:
        The champion.

    Raises:
        HTTPException: 404 for an unknown model or a version that does not serve, 503 while there is no champion.
    """
    served = champions.served(model)
    if served is None and not champions.is_known(model):
        known = shorten(", ".join(champions.known()) or "none yet", LONGEST_REASON // 2, quote=False)
        raise HTTPException(404, f"there is no model {shorten(model)}; known models: {known}")
    if served is None:
        raise HTTPException(503, champions.why_not(model)[:LONGEST_REASON])
    if version is not None and version != str(served.version):
        raise HTTPException(
            404, f"version {shorten(version)} of {model} does not serve; the champion is {served.version}"
        )
    return served


def new_prediction_id() -> str:
    """Return an id that begins with the milliseconds since 1970, so that ids sort by time."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


async def respond(
    send: Send, status: int, document: dict[str, Any], headers: list[tuple[bytes, bytes]]
) -> None:
    """Send a JSON document.

    Args:
        send: ASGI's channel to the client.
        status: HTTP status.
        document: The body.
        headers: Headers besides type and length.
    """
    body = to_json(document)
    common = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*common, *headers]})
    await send({"type": "http.response.body", "body": body})


async def _read(receive: Receive) -> bytes | None:
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return parts[0] if len(parts) == 1 else b"".join(parts)


def _provenance(served: Served, prediction_id: str) -> list[tuple[bytes, bytes]]:
    return [
        (b"x-model-version", str(served.version).encode()),
        (b"x-model-revision", str(served.revision).encode()),
        (b"x-prediction-id", prediction_id.encode()),
    ]


def _predict(
    served: Served,
    split: Split | None,
    protocol: Protocol,
    body: bytes,
    headers: dict[bytes, bytes],
    prediction_id: str,
) -> tuple[Decoded, dict[str, Any], Served]:
    """Return the decoded request, the response before it is encoded, and the version that made it."""

    def predict() -> tuple[Decoded, dict[str, Any], Served]:
        decoded = protocol.decode(body, headers, served.columns.needed)
        rows, instants = with_newest_readings(served, decoded.rows)
        if split is None:
            version, response = served, served.respond(rows)
        else:
            version, response = split.respond(served, rows, headers.get(KEY_HEADER))
        made = {"id": prediction_id, **response}
        if instants is None:
            return decoded, made, version
        return replace(decoded, rows=rows), {**made, "readings_at": instants}, version

    return readable(predict)


def readable(compute: Callable[[], T]) -> T:
    """Return what `compute` returns; whatever a caller's values make fail becomes a 422 with one bounded sentence.

    Args:
        compute: Decodes a body and computes from its values.

    Returns:
        The result of `compute`.

    Raises:
        HTTPException: 422 with the reason.
    """
    try:
        return compute()
    except MlopsError as error:
        raise HTTPException(422, str(error)[:LONGEST_REASON]) from None
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise HTTPException(422, _unusable(error)) from None
    except (
        BaseException
    ) as error:  # polars' PanicException is no Exception, and would end the connection without a word
        if isinstance(error, Exception) or type(error).__name__ != "PanicException":
            raise
        raise HTTPException(422, _unusable(error)) from None


def _unusable(error: BaseException) -> str:
    return f"these readings cannot be used: {describe(error)}"[:LONGEST_REASON]

"""The routes that make predictions, served without the web framework; everything else goes to the application behind.

Comes in: `POST` requests of every protocol. Goes out: the response in the protocol's own shape, with the version, the
revision and an id of the prediction in the body and in the headers.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from functools import lru_cache
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
from mlops_assets.serving.payload import Row, shorten
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets.serving.protocols.mlflow_scoring import MLFLOW_SCORING
from mlops_assets.serving.protocols.open_inference import OPEN_INFERENCE
from mlops_assets.serving.protocols.protocol import Decoded, Protocol
from mlops_assets.serving.protocols.records import RECORDS
from mlops_assets.serving.rollouts import Rollouts
from mlops_assets.serving.served import Served
from mlops_assets.serving.split import KEY_HEADER, Split

T = TypeVar("T")
Made = tuple[Decoded, dict[str, Any], Served]
"""The decoded request, the response before it is encoded, and the version that made it."""

LONGEST_REASON: Final = 1000
"""Characters of the reason in a response, whatever was sent."""

INLINE_BYTES: Final = 16_384
"""A longer body is decoded and predicted in a thread, so that other requests do not wait."""
_JSON_HEADERS: Final = ((b"content-type", b"application/json"),)


@dataclass(frozen=True, slots=True)
class Work:
    """A request that has a model. began: when it began, in seconds of the performance counter."""

    protocol: Protocol
    served: Served
    split: Split | None
    prediction_id: str
    began: float

    @property
    def is_quick(self) -> bool:
        """Return whether a few rows take so little time that other requests may wait for them."""
        return (self.served if self.split is None else self.split).is_quick


@dataclass(frozen=True, slots=True)
class Response:
    """A response. headers: besides type and length; body: a JSON document."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


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
        target = target_of(scope["path"]) if scope["type"] == "http" and scope["method"] == "POST" else None
        if target is None:
            await self._app(scope, receive, send)
            return
        protocol, model, version = target
        if protocol is MLFLOW_SCORING and model is None:
            query = parse_qs(scope.get("query_string", b"").decode("latin-1"))
            model = query.get("model", [None])[0]
        began, known = time.perf_counter(), None
        try:
            served = served_model(self._champions, self._only_model() if model is None else model, version)
            known = served.spec.name
            body = await _read(receive)
            if body is None:
                return  # the client went away
            headers = scope.get("mlops.headers") or dict(scope["headers"])
            work = Work(protocol, served, self._split(known, version), new_prediction_id(), began)
            if work.is_quick and len(body) <= INLINE_BYTES:
                made = _predict(work, headers, body)
            else:
                made = await run_in_threadpool(_predict, work, headers, body)
            response = self._finish(work, made)
        except HTTPException as error:
            response = self._refused(protocol, error, known, began)
        except Exception:  # the server writes it to its log and sends a 500, which an alert counts
            if self._metrics is not None:
                self._metrics.count(known, 500, time.perf_counter() - began, 0)
            raise
        await respond(send, response)

    def quick(self, path: str, body_bytes: int) -> Work | None:
        """Return what a request needs whose prediction takes so little time that other requests may wait for it.

        Args:
            path: The path of a `POST` request, without a query.
            body_bytes: Length of its body.

        Returns:
            The model and the protocol; None for every request that the application has to serve.
        """
        target = target_of(path) if body_bytes <= INLINE_BYTES else None
        served = None if target is None or target[1] is None else self._champions.served(target[1])
        if target is None or served is None or target[2] not in (None, str(served.version)):
            return None
        split = self._split(served.spec.name, target[2])
        work = Work(target[0], served, split, new_prediction_id(), time.perf_counter())
        return work if work.is_quick else None

    def serve(self, work: Work, headers: Mapping[bytes, bytes], body: bytes) -> Response:
        """Return the response to such a request, as the application would.

        Args:
            work: What `quick` returned.
            headers: Headers of the request, lower case.
            body: Its body.

        Returns:
            The response.
        """
        try:
            return self._finish(work, _predict(work, headers, body))
        except HTTPException as error:
            return self._refused(work.protocol, error, work.served.spec.name, work.began)

    def _split(self, model: str, version: str | None) -> Split | None:
        return self._rollouts.split(model) if self._rollouts is not None and version is None else None

    def _finish(self, work: Work, made: Made) -> Response:
        """Note a prediction wherever it is noted, and return its response."""
        decoded, document, served = made
        if work.split is not None and self._rollouts is not None:
            self._rollouts.note(work.split, served, decoded.rows, work.prediction_id)
        if self._log is not None:
            self._log.add(served, decoded.rows, document)
        headers = _provenance(served, work.prediction_id)
        if self._champions.is_cached:
            headers.append((b"x-ledger", b"unreachable"))
        if "rungs" in document:
            self._report(served, document)
            headers.append((b"x-fallback-rungs", ",".join(sorted(set(document["rungs"]))).encode()))
        body = to_json(work.protocol.encode(document, decoded.request_id))
        if self._metrics is not None:
            seconds = time.perf_counter() - work.began
            self._metrics.count(work.served.spec.name, 200, seconds, len(decoded.rows))
        return Response(200, headers, body)

    def _refused(self, protocol: Protocol, error: HTTPException, known: str | None, began: float) -> Response:
        """Count a refusal, and return its response."""
        if self._metrics is not None:
            self._metrics.count(known, error.status_code, time.perf_counter() - began, 0)
        headers = [(name.encode(), value.encode()) for name, value in (error.headers or {}).items()]
        return Response(error.status_code, headers, to_json(protocol.error(error.status_code, error.detail)))

    def _report(self, served: Served, made: dict[str, Any]) -> None:
        """Count the rungs of a response, and remember for an alert what made rows step down."""
        if self._metrics is not None:
            self._metrics.count_rungs(served.spec.name, made["rungs"])
        if served.ladder is not None:
            served.ladder.steps.add(made["rungs"], made["reasons"])

    def _only_model(self) -> str:
        models = list(self._champions.status()["models"])
        if len(models) == 1:
            return str(models[0])
        if not models:
            raise HTTPException(503, "no model has a champion that can be served")
        names = shorten(", ".join(models), LONGEST_REASON // 2, quote=False)
        raise HTTPException(422, f"several models serve: send to /models/MODEL/invocations; models: {names}")


@lru_cache(maxsize=1024)
def target_of(path: str) -> tuple[Protocol, str | None, str | None] | None:
    """Return protocol, model and version that a path names.

    Args:
        path: The path.

    Returns:
        Model and version are None where the path names none; None for a path of other routes.
    """
    match path.strip("/").split("/"):
        case ["predict", model]:
            return RECORDS, model, None
        case ["models", model, "invocations"]:
            return MLFLOW_SCORING, model, None
        case ["invocations"]:
            return MLFLOW_SCORING, None, None
        case ["v2", "models", model, "infer"]:
            return OPEN_INFERENCE, model, None
        case ["v2", "models", model, "versions", version, "infer"]:
            return OPEN_INFERENCE, model, version
        case _:
            return None


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


async def respond(send: Send, response: Response) -> None:
    """Send a response.

    Args:
        send: ASGI's channel to the client.
        response: The response, with a JSON document as its body.
    """
    headers = [*_JSON_HEADERS, (b"content-length", str(len(response.body)).encode()), *response.headers]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})


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


def _predict(work: Work, headers: Mapping[bytes, bytes], body: bytes) -> Made:
    """Return the decoded request, the response before it is encoded, and the version that made it."""

    def predict() -> Made:
        served = work.served
        decoded = work.protocol.decode(body, headers, served.columns.needed)
        key = headers.get(KEY_HEADER)
        rows, document, version = predict_rows(served, work.split, decoded.rows, key)
        if rows is not decoded.rows:
            decoded = replace(decoded, rows=rows)
        return decoded, {"id": work.prediction_id, **document}, version

    return readable(predict)


def predict_rows(
    served: Served, split: Split | None, rows: list[Row], key: bytes | None
) -> tuple[list[Row], dict[str, Any], Served]:
    """Return the complete records of a request, the response's document without its id, and the version that made it.

    Args:
        served: The champion that serves.
        split: The model's roll-out; None for none.
        rows: Records of the request.
        key: What the caller's requests have in common; see `Split.respond`.

    Returns:
        Records with stored readings in place of those that name an entity only, the document, and the version.

    Raises:
        DataError: As `Served.respond`.
    """
    complete, instants = with_newest_readings(served, rows)
    if split is None:
        version, document = served, served.respond(complete)
    else:
        version, document = split.respond(served, complete, key)
    return complete, document if instants is None else {**document, "readings_at": instants}, version


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

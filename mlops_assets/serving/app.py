"""The application: `routes` makes predictions; the other routes return models, health, readiness and documentation."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive as ServerReceive
from starlette.types import Scope
from starlette.types import Send as ServerSend
from typing_extensions import override

from mlops_assets import __version__
from mlops_assets.errors import DataError, ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.serving import guard, openapi, pages
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.guard import App
from mlops_assets.serving.inline import Inline, inline
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.labels import decode_labels
from mlops_assets.serving.metrics import Metrics
from mlops_assets.serving.payload import decode
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets.serving.protocols import open_inference
from mlops_assets.serving.rollouts import Rollouts
from mlops_assets.serving.routes import LONGEST_REASON, PredictionRoutes, readable, served_model

STALLED_SECONDS: Final = 600.0
"""A loop that has not looked for so long is taken for dead: loading a large model may take minutes."""

EXPLAIN_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {"schema": {"type": "object"}, "example": {"readings": [{"flow": 12.5}]}}
    },
}
LABELS_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["labels"],
                "properties": {"labels": {"type": "array", "items": {"type": "object"}}},
                "additionalProperties": False,
            },
            "example": {"labels": [{"id": "019b76da1c2f0011223344556677", "row": 1, "value": 12.5}]},
        }
    },
}


class PredictionApi(FastAPI):
    """FastAPI with the guard and the prediction routes in front: its own layers cost more than a prediction."""

    front: App | None = None
    inline: Inline
    """Serves requests whose predictions take microseconds, without ASGI."""

    @override
    async def __call__(self, scope: Scope, receive: ServerReceive, send: ServerSend) -> None:
        """Serve one request, or the start and the end of the server."""
        if self.front is None or scope["type"] != "http":
            await super().__call__(scope, receive, send)
        else:
            await self.front(scope, receive, send)

    async def behind(self, scope: Scope, receive: ServerReceive, send: ServerSend) -> None:
        """Serve a request of any other route.

        Args:
            scope: ASGI's description of the request.
            receive: ASGI's channel from the client.
            send: ASGI's channel to the client.
        """
        await super().__call__(scope, receive, send)


def create_app(
    champions: Champions,
    keys: Keys,
    ledger: Ledger | None = None,
    log: PredictionLog | None = None,
    metrics_address: tuple[str, int] | None = None,
    rollouts: Rollouts | None = None,
    metrics_folder: Path | None = None,
    *,
    log_requests: bool = False,
) -> PredictionApi:
    """Return the application over a following set of champions; every route but health and readiness needs the key.

    Args:
        champions: The champions that serve, which follow the ledger.
        keys: The keys of callers.
        ledger: Where labels are stored; without it there is no route for them.
        log: Where predictions are logged; None for nowhere.
        metrics_address: Host and port where the metrics can be read without a key; None for nowhere.
        rollouts: The roll-outs under way, which follow the ledger; None for none.
        metrics_folder: Where the processes of the service write their metrics; None for a process of its own.
        log_requests: Write a line to the log for each request.

    Returns:
        The application.
    """
    metrics = Metrics(champions, log, metrics_folder)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if metrics_address is not None:
            metrics.serve(*metrics_address)
        metrics.start()
        await run_in_threadpool(keys.start)
        await run_in_threadpool(champions.start)
        if rollouts is not None:
            await run_in_threadpool(rollouts.start)
        if log is not None:
            log.start()
        yield
        keys.stop()
        await run_in_threadpool(champions.stop)
        if rollouts is not None:
            await run_in_threadpool(rollouts.stop)
        if log is not None:
            await run_in_threadpool(log.stop)
        metrics.close()  # last: it counts what the log has written

    app = PredictionApi(
        title="mlops_assets predictions",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    routes = PredictionRoutes(app.behind, champions, log, metrics, rollouts)
    app.front = guard.Guard(routes, keys, refused=metrics.refuse, log_requests=log_requests)
    app.inline = inline(routes, keys) if not log_requests else lambda *_: None
    _add_health(app, champions, keys, log)
    _add_models(app, champions, rollouts)
    _add_open_inference(app, champions)
    if ledger is not None:
        _add_labels(app, champions, ledger)

    @app.get("/metrics")
    def prometheus() -> PlainTextResponse:
        """Return the metrics of this process in Prometheus's text format."""
        return PlainTextResponse(metrics.text())

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(pages.documentation(app.openapi()))

    generated = app.openapi

    def document() -> dict[str, Any]:
        return {**generated(), "paths": {**generated()["paths"], **openapi.prediction_paths(champions)}}

    app.openapi = document  # type: ignore[method-assign]  # FastAPI documents this way of extending the schema
    return app


def _add_health(app: FastAPI, champions: Champions, keys: Keys, log: PredictionLog | None) -> None:
    @app.get("/health")
    def health() -> JSONResponse:
        """Return whether the process and its background loops run, whether or not there is a champion."""
        loops = {**champions.loops(), **keys.loops(), **(log.loops() if log is not None else {})}
        alive = all(loop["alive"] and loop["seconds"] < STALLED_SECONDS for loop in loops.values())
        document: dict[str, Any] = {
            "status": "alive" if alive else "a background loop has ended",
            "process": os.getpid(),
            "loops": loops,
        }
        if keys.problem is not None:
            document["keys"] = "the keys of the ledger could not be read; those read before still count"
        if log is not None:
            document["prediction_log"] = log.status()
        return JSONResponse(document, 200 if alive else 503)

    @app.get("/ready")
    def ready() -> JSONResponse:
        """Return whether predictions can be made, and whether from a cache; 503 while there is no champion."""
        reason = _not_ready(champions)
        document: dict[str, Any] = {"ready": reason is None}
        if reason is not None:
            document["reason"] = reason
        elif champions.is_cached:
            document["degraded"] = (
                f"the ledger does not respond, the champions that it named last serve: "
                f"{champions.status()['ledger']}"
            )
        return JSONResponse(document, 200 if reason is None else 503)


def _not_ready(champions: Champions) -> str | None:
    """Return why no predictions can be made, or None."""
    status = champions.status()
    if status["models"]:
        return None
    if status["ledger"] != "ok":
        return "the ledger does not respond, and no champion is loaded"
    return "no model has a champion that can be served"


def _add_models(app: FastAPI, champions: Champions, rollouts: Rollouts | None) -> None:
    @app.get("/models")
    def models() -> dict[str, Any]:
        """Return the champions that serve now, the reasons of those that do not, and roll-outs under way."""
        return champions.status() | ({} if rollouts is None else {"rollouts": rollouts.status()})

    @app.get("/models/{model}")
    def model_details(model: str) -> dict[str, Any]:
        """Return a champion: version, since when, columns in the order of a `features` row, interval, gate results."""
        return served_model(champions, model).describe()

    @app.post("/explain/{model}", openapi_extra={"requestBody": EXPLAIN_BODY})
    async def explain(model: str, request: Request) -> dict[str, Any]:
        """Return the SHAP values of at most 10 rows: why the champion predicts what it predicts for them."""
        served = served_model(champions, model)
        body = await request.body()
        return await run_in_threadpool(readable, lambda: served.explain(decode(body, served.columns.needed)))


def _add_open_inference(app: FastAPI, champions: Champions) -> None:
    @app.get("/v2")
    def server() -> dict[str, Any]:
        """Return name, version and extensions of this server (Open Inference Protocol)."""
        return {"name": "mlops_assets", "version": __version__, "extensions": ["binary_tensor_data"]}

    @app.get("/v2/health/live")
    def live() -> JSONResponse:
        """Return whether the process responds (Open Inference Protocol)."""
        return JSONResponse({"live": True})

    @app.get("/v2/health/ready")
    def inference_ready() -> JSONResponse:
        """Return whether predictions can be made (Open Inference Protocol)."""
        reason = _not_ready(champions)
        return JSONResponse({"ready": reason is None}, 200 if reason is None else 503)

    @app.get("/v2/models/{model}")
    @app.get("/v2/models/{model}/versions/{version}")
    def model_metadata(model: str, version: str | None = None) -> dict[str, Any]:
        """Return the input and output tensors of a champion (Open Inference Protocol)."""
        served = served_model(champions, model, version)
        return open_inference.metadata(
            model,
            served.version,
            served.columns.needed,
            served.columns.as_text(served.spec),
            classes=bool(served.predictor.classes),
        )

    @app.get("/v2/models/{model}/ready")
    @app.get("/v2/models/{model}/versions/{version}/ready")
    def model_ready(model: str, version: str | None = None) -> dict[str, Any]:
        """Return whether a champion serves (Open Inference Protocol)."""
        served = served_model(champions, model, version)
        return {"name": model, "ready": True, "version": str(served.version)}


def _add_labels(app: FastAPI, champions: Champions, ledger: Ledger) -> None:
    @app.post("/labels/{model}", openapi_extra={"requestBody": LABELS_BODY})
    async def labels(model: str, request: Request) -> dict[str, Any]:
        """Store the truth about predictions, by their ids; a later label of a row corrects the earlier one."""
        if not champions.is_known(model):
            served_model(champions, model)
        try:
            decoded = decode_labels(await request.body())
        except DataError as error:
            raise HTTPException(422, str(error)[:LONGEST_REASON]) from None
        try:
            stored = await run_in_threadpool(ledger.store_labels, model, decoded, datetime.now(UTC))
        except ServiceError:
            raise HTTPException(503, "the ledger does not respond; send the labels again") from None
        return {"stored": stored}

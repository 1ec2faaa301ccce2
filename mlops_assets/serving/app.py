"""The routes: `POST /predict/{model}`, `GET /models`, `GET /health`, `GET /ready`, and the documentation page."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import polars as pl
from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.concurrency import run_in_threadpool

from mlops_assets import __version__
from mlops_assets.errors import MlopsError
from mlops_assets.serving import guard, pages
from mlops_assets.serving.champions import Champions, describe
from mlops_assets.serving.payload import decode, shorten
from mlops_assets.serving.served import Served

LONGEST_REASON: Final = 1000
"""Characters of the reason in a response, whatever was sent."""
STALLED_SECONDS: Final = 600.0
"""A loop that has not looked for so long is taken for dead: loading a large model may take minutes."""

EXAMPLE: Final = {"readings": [{"at": "2026-01-31T08:00:00Z", "pump": "A", "flow": 12.5}]}
REQUEST_BODY: Final = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {
                "oneOf": [
                    {
                        "type": "object",
                        "required": ["readings"],
                        "properties": {"readings": {"type": "array", "items": {"type": "object"}}},
                        "additionalProperties": False,
                    },
                    {
                        "type": "object",
                        "required": ["features"],
                        "properties": {
                            "features": {"type": "array", "items": {"type": "array"}},
                            "columns": {"type": "array", "items": {"type": "string"}},
                        },
                        "additionalProperties": False,
                    },
                ]
            },
            "example": EXAMPLE,
        }
    },
}


def create_app(champions: Champions, key: str) -> FastAPI:
    """Return the application over a following set of champions; every route but health and readiness needs the key."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await run_in_threadpool(champions.start)
        yield
        await run_in_threadpool(champions.stop)

    app = FastAPI(
        title="mlops_assets predictions",
        version=__version__,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    app.add_middleware(guard.Guard, key=key)

    @app.get("/health")
    def health() -> JSONResponse:
        """Return whether the process and its background loops run, whether or not there is a champion."""
        loops = champions.loops()
        alive = all(loop["alive"] and loop["seconds"] < STALLED_SECONDS for loop in loops.values())
        document = {"status": "alive" if alive else "a background loop has ended", "loops": loops}
        return JSONResponse(document, 200 if alive else 503)

    @app.get("/ready")
    def ready() -> JSONResponse:
        """Return whether predictions can be made; 503 with the reason while there is no champion."""
        status = champions.status()
        if status["models"]:
            return JSONResponse({"ready": True})
        reason = "no model has a champion that can be served"
        if status["ledger"] != "ok":
            reason = "the ledger does not answer, and no champion is loaded"
        return JSONResponse({"ready": False, "reason": reason}, 503)

    @app.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(pages.documentation(app.openapi(), EXAMPLE))

    @app.get("/models")
    def models() -> dict[str, Any]:
        """Return the champions that serve now, and the reasons of those that do not."""
        return champions.status()

    @app.get("/models/{model}")
    def model_details(model: str) -> dict[str, Any]:
        """Return version, algorithm and input columns of a champion, the columns in the order of a `features` row."""
        served = _served(champions, model)
        return {
            "model": model,
            "version": served.version,
            "revision": served.revision,
            "algorithm": served.predictor.algorithm,
            "columns": list(served.columns.needed),
        }

    @app.post("/predict/{model}", openapi_extra={"requestBody": REQUEST_BODY})
    async def predict(model: str, request: Request) -> dict[str, Any]:
        """Return the champion's predictions, one per row, with their interval and the version that made them."""
        served = await run_in_threadpool(_served, champions, model)
        body = await request.body()
        return await run_in_threadpool(_predict, served, body)

    return app


def _served(champions: Champions, model: str) -> Served:
    served = champions.served(model)
    if served is not None:
        return served
    if not champions.is_known(model):
        known = shorten(", ".join(champions.known()) or "none yet", LONGEST_REASON // 2, quote=False)
        raise HTTPException(404, f"there is no model {shorten(model)}; known models: {known}")
    raise HTTPException(503, champions.why_not(model)[:LONGEST_REASON])


def _predict(served: Served, body: bytes) -> dict[str, Any]:
    try:
        return served.respond(decode(body, served.columns.needed))
    except MlopsError as error:
        raise HTTPException(422, str(error)[:LONGEST_REASON]) from None
    except (pl.exceptions.PolarsError, TypeError, ValueError, OverflowError) as error:
        raise HTTPException(
            422, f"these readings cannot be used: {describe(error)}"[:LONGEST_REASON]
        ) from None
    except (
        BaseException
    ) as error:  # polars' PanicException is no Exception, and would end the connection without a word
        if isinstance(error, Exception) or type(error).__name__ != "PanicException":
            raise
        raise HTTPException(
            422, f"these readings cannot be used: {describe(error)}"[:LONGEST_REASON]
        ) from None

"""The HTTP face: `POST /predict/{model}`, `GET /models`, `GET /health`. Every answer but health needs the key."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import polars as pl
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from mlops_assets import __version__
from mlops_assets.errors import MlopsError
from mlops_assets.serving.champions import Champions

MAX_ROWS = 10_000
Value = str | int | float | bool | None


class Question(BaseModel):
    """Readings to predict for, with the columns the model was trained on. Timestamps are ISO 8601 in UTC."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)
    readings: Annotated[list[dict[str, Value]], Field(min_length=1, max_length=MAX_ROWS)]


def create_app(champions: Champions, key: str) -> FastAPI:
    """The application over a following set of champions."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        champions.start()
        yield
        champions.stop()

    app = FastAPI(title="mlops_assets predictions", version=__version__, lifespan=lifespan, redoc_url=None)

    def authorised(x_api_key: Annotated[str | None, Header()] = None) -> None:
        if x_api_key is None or not secrets.compare_digest(x_api_key.encode(), key.encode()):
            raise HTTPException(401, "send the key in the header x-api-key")

    @app.get("/health")
    def health() -> dict[str, str]:
        """Alive, whether or not there is a champion."""
        return {"status": "alive"}

    @app.get("/models", dependencies=[Depends(authorised)])
    def models() -> dict[str, Any]:
        """Champions that answer now, and the reasons of those that do not."""
        return champions.status()

    @app.post("/predict/{model}", dependencies=[Depends(authorised)])
    def predict(model: str, question: Question) -> dict[str, Any]:
        """The champion's predictions, one per reading, with their interval, and the version that made them."""
        served = champions.served(model)
        if served is None:
            raise HTTPException(503, champions.why_not(model))
        try:
            return served.predict(pl.DataFrame(question.readings, infer_schema_length=None, strict=False))
        except MlopsError as error:
            raise HTTPException(422, str(error)) from None
        except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
            raise HTTPException(422, f"these readings cannot be used: {str(error).splitlines()[0]}") from None

    return app

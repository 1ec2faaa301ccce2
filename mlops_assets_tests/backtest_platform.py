"""Backtests for tests: hourly readings whose slope changes, and scratch ledgers on the session's server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.backtest import BacktestResult, Policy, Request, Scratch, Span, backtest, built_in_policies
from mlops_assets.backtest.span import fetch
from mlops_assets.local.scratch_databases import ScratchLedgers
from mlops_assets.model_file import ModelSpec
from mlops_assets.settings import Settings

START = datetime(2026, 1, 4, tzinfo=UTC)  # a Sunday
DAY = timedelta(days=1)
SPAN = Span(START + 21 * DAY, START + 56 * DAY, 7 * DAY)


def hourly(days: int = 56, *, moves_at: int = 35, seed: int = 3) -> pl.DataFrame:
    """Readings of x, z and y = slope * x + z + noise; the slope changes after so many days."""
    count = days * 24
    random = np.random.default_rng(seed).standard_normal((count, 3))
    slope = np.where(np.arange(count) < moves_at * 24, 3.0, 1.0)
    return pl.DataFrame(
        {
            "at": pl.Series(
                [START + timedelta(hours=i) for i in range(count)], dtype=pl.Datetime("us", "UTC")
            ),
            "x": random[:, 0],
            "z": random[:, 1],
            "y": slope * random[:, 0] + random[:, 1] + 0.2 * random[:, 2],
        }
    )


def body_of(file: Path, **changes: Any) -> dict[str, Any]:
    """A small regression over its own Parquet file, retrained on Sundays."""
    body: dict[str, Any] = {
        "name": "station",
        "description": "y from x and z",
        "owners": ["people@example.com"],
        "problem": "regression",
        "target": "y",
        "timestamp": "at",
        "source": {"kind": "file", "path": str(file), "window": "21d"},
        "training": {"algorithms": [{"ridge": {}}], "time_limit": "5m"},
        "evaluation": {"primary": "rmse"},
        "gates": [
            {"beats_champion": {"metric": "rmse", "by": 0.02}},
            {"metric_at_most": {"metric": "rmse", "limit": 2.0}},
            "no_missing_predictions",
        ],
        "schedules": {"retrain": "0 0 * * 0"},
    }
    return body | changes


def model(file: Path, frame: pl.DataFrame | None = None, **changes: Any) -> ModelSpec:
    """The model over these readings."""
    (hourly() if frame is None else frame).write_parquet(file)
    return ModelSpec.model_validate_json(json.dumps(body_of(file, **changes)))


def settings_of(home: Path, server: str, models: Path | None = None) -> Settings:
    """Settings of a platform on the session's server."""
    home.mkdir(parents=True, exist_ok=True)
    environ = {"MLOPS_HOME": str(home), "MLOPS_MODELS": str(models or home), "MLOPS_DATABASE_URL": server}
    return Settings.from_environment(environ)


def request_of(
    spec: ModelSpec, settings: Settings, span: Span = SPAN, policies: tuple[Policy, ...] | None = None
) -> Request:
    """A backtest of the built-in policies."""
    history = fetch(spec, settings, span.start, span.end)
    return Request(spec, policies or built_in_policies(spec), history, span, None, "abc")


def run(
    request: Request, settings: Settings, ledgers: ScratchLedgers, folder: Path, **options: Any
) -> BacktestResult | None:
    """Run it in a folder of its own."""
    scratch = Scratch(folder, lambda name, fresh: ledgers.open(name, fresh=fresh))
    return backtest(request, settings, scratch, **options)


def by_name(result: BacktestResult) -> Mapping[str, Any]:
    """The result of each policy."""
    return {one.policy: one for one in result.policies}

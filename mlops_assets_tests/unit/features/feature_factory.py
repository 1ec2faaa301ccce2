"""Model files and readings that the tests of features share."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.model_file import ModelSpec

START = datetime(2025, 3, 24, tzinfo=UTC)
"""A Monday; the clocks of Berlin go forward on the Sunday after it."""


def model(**changes: Any) -> ModelSpec:
    """A pump with two inputs, hourly; `changes` replace or extend sections."""
    body: dict[str, Any] = {
        "name": "pump",
        "description": "a pump",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "timestamp": "at",
        "entity": "unit",
        "source": {"kind": "simulated", "simulator": "pump_station"},
        "training": {"algorithms": [{"name": "ridge"}]},
        "evaluation": {"primary": "rmse"},
    }
    for key, value in changes.items():
        merge = isinstance(value, dict) and isinstance(body.get(key), dict)
        body[key] = {**body[key], **value} if merge else value
    return ModelSpec.model_validate(body, strict=False)


def wine(**changes: Any) -> ModelSpec:
    """Classes without timestamp and entity."""
    body: dict[str, Any] = {
        "problem": "classification",
        "timestamp": None,
        "entity": None,
        "training": {"algorithms": [{"name": "logistic"}]},
        "evaluation": {"primary": "f1"},
    }
    return model(**(body | changes))


def readings(rows: int = 200, units: int = 3, seed: int = 0, irregular: bool = False) -> pl.DataFrame:
    """`rows` hourly readings of each unit (or at random times), with nulls in `a`, text in `kind`, a target `y`."""
    chance = np.random.default_rng(seed)
    frames = []
    for unit in range(units):
        hours = np.sort(chance.uniform(0, rows, rows)) if irregular else np.arange(rows, dtype=np.float64)
        a = chance.normal(50, 5, rows)
        frames.append(
            pl.DataFrame(
                {
                    "at": [START + timedelta(minutes=round(60 * hour)) for hour in hours.tolist()],
                    "unit": f"u{unit}",
                    "a": np.where(chance.random(rows) < 0.1, np.nan, a),
                    "b": chance.normal(0, 1, rows),
                    "kind": chance.choice(["red", "green", "blue"], rows),
                    "y": 2 * a + chance.normal(0, 1, rows),
                }
            )
        )
    return (
        pl.concat(frames).with_columns(pl.col("a").fill_nan(None)).unique(["unit", "at"], maintain_order=True)
    )

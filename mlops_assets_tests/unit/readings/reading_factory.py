"""Small model files and settings for the tests of this package."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_assets.artifacts import Readings
from mlops_assets.model_file import ModelSpec
from mlops_assets.readings import read
from mlops_assets.settings import Settings

AS_OF = datetime(2026, 3, 1, 7, 13, 30, tzinfo=UTC)


def settings(environ: dict[str, str] | None = None) -> Settings:
    """Settings from nothing but the given variables."""
    return Settings.from_environment(environ or {})


def model(source: dict[str, Any], **keys: Any) -> ModelSpec:
    """A regression on `y` from `source`; keys replace or add sections."""
    body: dict[str, Any] = {
        "name": "m",
        "description": "a model for tests",
        "owners": ["owner@example.com"],
        "problem": "regression",
        "target": "y",
        "source": source,
        "training": {"algorithms": ["ridge"]},
        "evaluation": {"primary": "rmse"},
    }
    return ModelSpec.model_validate_json(json.dumps(body | keys))


def read_model(
    source: dict[str, Any],
    *,
    as_of: datetime = AS_OF,
    environ: dict[str, str] | None = None,
    **keys: Any,
) -> Readings:
    """Read such a model."""
    return read(model(source, **keys), as_of=as_of, settings=settings(environ))


def read_text(
    folder: Path, text: str | bytes, name: str = "a.csv", *, file: dict[str, Any] | None = None, **keys: Any
) -> Readings:
    """Write one file and read it."""
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_model({"kind": "file", "path": str(path)} | (file or {}), **keys)


def counted(readings: Readings) -> dict[tuple[str, str | None], int]:
    """Repairs by name and column."""
    return {(repair.name, repair.column): repair.count for repair in readings.repairs}

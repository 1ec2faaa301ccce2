"""What every door imports before it does anything: Dagster's code server loads in a second or two, `mlops` at once.

A heavy library belongs inside the function that needs it. Each door is opened in a process of its own, because a test
run has long imported everything.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

MODELS = Path(__file__).resolve().parents[2] / "models"

HEAVY = (
    "catboost",
    "dagster_mlflow",
    "deltalake",
    "fastapi",
    "feast",
    "great_expectations",
    "lightgbm",
    "matplotlib",
    "mlflow",
    "pandas",
    "scipy",
    "shap",
    "sklearn",
    "skops",
    "torch",
    "xgboost",
)
LOADED = "import importlib, json, sys; importlib.import_module(sys.argv[1]); print(json.dumps(sorted(sys.modules)))"


@pytest.mark.parametrize(
    ("door", "also"),
    [
        ("mlops_assets.definitions", ()),
        ("mlops_assets.lifecycle.platform", ("dagster",)),
        ("mlops_assets.cli", ("dagster", "numpy", "polars", "pydantic", "sqlalchemy", "psycopg2", "yaml")),
        (
            "mlops_assets.cli.models",
            ("dagster", "numpy", "polars", "pydantic", "sqlalchemy", "psycopg2", "yaml"),
        ),
        ("mlops_assets.model_file", ("dagster", "holidays", "numpy", "polars", "sqlalchemy", "psycopg2")),
        ("mlops_assets.training.fitting.worker_main", ("dagster", "sqlalchemy")),
    ],
)
def test_a_door_opens_without_heavy_libraries(door: str, also: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOADED, door],
        env={**os.environ, "MLOPS_MODELS": str(MODELS)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert door.split(".")[0] in loaded
    assert loaded.isdisjoint({*HEAVY, *also})

"""Real readings from end to end: what the gates say about public data sets, twice each.

The first run of each sees an earlier part of the data where it has a time, the second all of it, beside the champion.
MLOPS_TABLES names a folder that the story is written to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import LocalPlatform

pytestmark = pytest.mark.slow
story: dict[str, str] = {}
FLAGS = {name: {"column": f"f_{name}", "accept": [0]} for name in ("depth", "temp", "sal", "do_mgl")}

MODELS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "skab_pump_valve1": (
        {
            "description": "Volume flow rate of a test pump from its other sensors, one second apart",
            "problem": "regression",
            "target": "Volume Flow RateRMS",
            "timestamp": "datetime",
            "features": {"exclude": ["file", "anomaly", "changepoint"], "scaling": "standard"},
            "validation": {"min_rows": 5000},
            "repairs": {"duplicates": "last", "sort": "time"},
            "training": {
                "algorithms": [{"ridge": {}}, {"lightgbm": {"n_estimators": 200}}],
                "time_limit": "5m",
            },
            "evaluation": {"primary": "rmse", "also": ["mae", "r2"]},
            "gates": [
                {"beats_champion": {"metric": "rmse", "by": "2%"}},
                {"beats_baseline": {"metric": "rmse"}},
                {"metric_at_most": {"metric": "rmse", "limit": 5.0}},
                "no_missing_predictions",
                "min_rows",
                "time_limit",
            ],
        },
        ("2020-02-09T00:00:00", "2020-03-10T00:00:00"),
    ),
    "estuary_drybar_wq": (
        {
            "description": "Water depth of an estuary station one hour ahead",
            "problem": "forecasting",
            "target": "depth",
            "timestamp": "datetimestamp",
            "source": {"window": "500d"},
            "repairs": {
                "sentinels": {"depth": [-99]},
                "flags": FLAGS,
                "missing_target": "drop_row",
                "select": ["datetimestamp", "depth", "temp", "sal", "do_mgl"],
            },
            "validation": {
                "min_rows": 10000,
                "max_missing": "20%",
                "columns": {"depth": {"min": 0, "max": 5}},
            },
            "features": {
                "horizon": "1h",
                "cyclical": ["hour", "day_of_year"],
                "lags": {"columns": ["depth"], "steps": [1, 2, 4, 8, 24, 48]},
                "differences": {"columns": ["depth"], "steps": [1, 4]},
                "rolling": {"columns": ["depth"], "windows": ["6h", "25h"], "statistics": ["mean", "std"]},
            },
            "training": {
                "algorithms": [{"ridge": {}}, {"lightgbm": {"n_estimators": 200}}],
                "time_limit": "5m",
            },
            "evaluation": {"primary": "rmse", "also": ["mae"]},
            "gates": [
                {"beats_champion": {"metric": "rmse", "by": "2%"}},
                {"beats_baseline": {"metric": "rmse"}},
                {"metric_at_most": {"metric": "rmse", "limit": 0.06}},
                "no_missing_predictions",
                "min_rows",
                "time_limit",
            ],
        },
        ("2013-06-01T00:00:00", "2014-01-02T00:00:00"),
    ),
    "orange_juice_stores_a": (
        {
            "description": "Log of weekly sales of a brand in a store, from prices and promotions",
            "problem": "regression",
            "target": "logmove",
            "features": {"exclude": ["constant", "profit", "week"]},
            "split": {"strategy": "group", "group": "week"},
            "training": {"algorithms": [{"lightgbm": {"n_estimators": 200}}], "time_limit": "5m"},
            "evaluation": {"primary": "rmse", "also": ["r2"]},
            "gates": [
                {"beats_champion": {"metric": "rmse"}},
                {"beats_baseline": {"metric": "rmse", "by": "20%"}},
                "no_missing_predictions",
                "min_rows",
            ],
        },
        ("2020-01-01T00:00:00",),
    ),
    "acs_employment_ma_2015_2016": (
        {
            "description": "Whether a person is employed",
            "problem": "classification",
            "target": "employed",
            "features": {"exclude": ["id", "year", "prediction", "predicted_probability"]},
            "training": {"algorithms": [{"lightgbm": {"n_estimators": 100}}], "time_limit": "5m"},
            "evaluation": {"primary": "f1", "also": ["accuracy"]},
            "gates": [
                {"beats_champion": {"metric": "f1"}},
                {"metric_at_least": {"metric": "accuracy", "limit": 0.8}},
                "no_missing_predictions",
                "min_rows",
            ],
        },
        ("2020-01-01T00:00:00",),
    ),
    "elec2_nsw": (
        {
            "description": "Whether the price rises in the next half hour",
            "problem": "classification",
            "target": "class",
            "training": {"algorithms": [{"lightgbm": {"n_estimators": 100}}], "time_limit": "5m"},
            "evaluation": {"primary": "f1", "also": ["accuracy"]},
            "gates": [
                {"beats_champion": {"metric": "f1"}},
                {"beats_baseline": {"metric": "accuracy", "by": "10%"}},
                "no_missing_predictions",
                "min_rows",
            ],
        },
        ("2020-01-01T00:00:00",),
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_public_data(
    local_platform: LocalPlatform,
    public_data: Path,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
) -> None:
    changes, instants = MODELS[name]
    source = {"kind": "file", "path": str(public_data / f"{name}.parquet")}
    body = {"name": name, "owners": ["people@example.com"], **changes}
    body["source"] = source | body.get("source", {})
    (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(body, sort_keys=False))
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path))
    for instant in instants:
        printed = mlops(monkeypatch, "run", name, "--as-of", instant)
        story[f"{name} as of {instant}"] = f"exit {printed.code}\n{printed.out}{printed.err}"
        assert "Traceback" not in printed.all
    evidence = local_platform.platform.ledger.evidence_of(name, 1)
    assert evidence, story


@pytest.fixture(scope="module", autouse=True)
def _write_story() -> Iterator[None]:
    yield
    if target := os.environ.get("MLOPS_TABLES"):
        parts = [f"## {what}\n\n```\n{text}```\n" for what, text in story.items()]
        (Path(target) / "real_data_raw.md").write_text("\n".join(parts))

"""The feature store from the command line: what is online equals the feature table, in SQLite, Redis and PostgreSQL.

Redis is a server of the test's own; without redis-server on this machine that case skips.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets import stages
from mlops_assets.lifecycle.platform import record_of
from mlops_assets.lifecycle.records import FeaturesRecord
from mlops_assets.lifecycle.stages.data import build_features, read_readings, validate_readings
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import LocalPlatform, readings
from mlops_assets_tests.redis_server import redis

pytestmark = [
    pytest.mark.slow,
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore"),  # Feast's own use of its libraries
]
FEATURES: dict[str, Any] = {
    "inputs": ["x", "z"],
    "calendar": ["hour"],
    "lags": {"columns": ["x"], "steps": [1, 500]},
    "rolling": {"columns": ["x"], "windows": ["6h"], "statistics": ["mean", "std"]},
}


@pytest.fixture
def built(local_platform: LocalPlatform) -> tuple[ModelSpec, pl.DataFrame]:
    """A model of two units whose features were built, its file in the models folder, and the feature table."""
    frame = readings(60)
    both = pl.concat(
        [frame.with_columns(unit=pl.lit("p-1")), frame.head(40).with_columns(unit=pl.lit("p 2"))]
    )
    spec = local_platform.model(both, entity="unit", features=FEATURES)
    body = spec.model_dump(mode="json", exclude_unset=True)
    (local_platform.settings.models / f"{spec.name}.yaml").write_text(json.dumps(body))
    run = local_platform.run(f"features-{spec.name}", rows=60)
    for stage in (read_readings, validate_readings, build_features):
        stage(spec, local_platform.platform, run)
    record = record_of(local_platform.platform, spec, stages.FEATURES, run.id, FeaturesRecord)
    return spec, local_platform.platform.datasets.read(record.table)


@pytest.mark.parametrize("kind", ["sqlite", "redis", "postgresql"])
def test_what_is_online_is_what_the_table_says(
    kind: str,
    built: tuple[ModelSpec, pl.DataFrame],
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("feast", reason="the extra 'feast' is not installed")
    if kind == "redis":
        with redis(tmp_path) as url:
            monkeypatch.setenv("MLOPS_ONLINE_STORE", url)
            _applied_put_online_and_asked(*built, monkeypatch)
        return
    if kind == "postgresql":
        monkeypatch.setenv("MLOPS_ONLINE_STORE", postgres_url)
    _applied_put_online_and_asked(*built, monkeypatch)


def _applied_put_online_and_asked(
    spec: ModelSpec, table: pl.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    early = mlops(monkeypatch, "features", "get", spec.name, "p-1")
    assert (early.code, early.err) == (
        1,
        f"error: {spec.name}: nothing was applied yet; run 'mlops features apply {spec.name}' first\n",
    )
    for command, message in (("apply", "features in"), ("materialize", "features of 2 entities are online")):
        done = mlops(monkeypatch, "features", command, spec.name)
        assert (done.code, done.err) == (0, "")
        assert message in done.out

    response = mlops(monkeypatch, "features", "get", spec.name, "p 2", "p-1", "stranger", "--json")
    rows = {row.pop("unit"): row for row in json.loads(response.out)}
    newest = table.sort("at").unique("unit", keep="last")
    for row in newest.to_dicts():
        online = rows[row["unit"]]
        assert set(online) >= {"x", "x_lag_1", "x_lag_500", "x_mean_6h", "x_std_6h", "at_hour"}
        assert online == {name: row[name] for name in online}, "exactly, nulls too"
    assert set(rows["stranger"].values()) == {None}

    shown = mlops(monkeypatch, "features", "get", spec.name, "p-1").out
    assert "x_mean_6h" in shown
    listed = json.loads(mlops(monkeypatch, "features", "list", spec.name, "--json").out)
    mean = next(one for one in listed if one["name"] == "x_mean_6h")
    assert (mean["description"], mean["sources"]) == ("mean of x over 6h", ["x"])
    assert mean["mean"] == pytest.approx(table["x_mean_6h"].mean())
    assert [part.split()[0] for part in mean["data"].split(", ")] == [
        stages.RAW_READINGS, stages.VALIDATED_DATA, stages.FEATURES,
    ]  # fmt: skip
    assert "from raw_readings" in mlops(monkeypatch, "features", "list", spec.name).out


def test_without_feast_the_command_names_the_extra(
    built: tuple[ModelSpec, pl.DataFrame], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "feast", None)
    refused = mlops(monkeypatch, "features", "apply", built[0].name)
    assert (refused.code, refused.out) == (1, "")
    assert "pip install 'mlops-assets[feast]'" in refused.err
    assert "Traceback" not in refused.err

"""What a person reads of runs and sources from the command line: `mlops logs`, `mlops validate --connect`."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import LocalPlatform, readings

pytestmark = [pytest.mark.slow, pytest.mark.integration]


def write_file(local_platform: LocalPlatform, spec: ModelSpec) -> str:
    file = local_platform.settings.models / f"{spec.name}.yaml"
    file.write_text(json.dumps(spec.model_dump(mode="json", exclude_unset=True)))
    return str(file)


def test_logs_of_a_run_and_of_one_that_failed(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = local_platform.model()
    write_file(local_platform, spec)
    never = mlops(monkeypatch, "logs", spec.name)
    assert (never.code, never.out) == (1, "")
    assert f"{spec.name} has no run yet; start one: mlops run {spec.name}" in never.err

    good = local_platform.run_lifecycle(spec)
    printed = mlops(monkeypatch, "logs", spec.name)
    assert printed.code == 0
    assert f"run {good.run_id}  {spec.name}  SUCCESS" in printed.out
    assert "raw_readings: read 400 rows" in printed.out
    assert "Dependencies for step" not in printed.out

    local_platform.file(spec.name).unlink()
    bad = local_platform.run_lifecycle(spec)
    newest = json.loads(mlops(monkeypatch, "logs", spec.name, "--json").out)
    assert [(run["run_id"], run["status"]) for run in newest] == [(bad.run_id, "FAILURE")]
    [error] = [message for message in newest[0]["messages"] if message["level"] == "ERROR"]
    assert f"{spec.name}.parquet" in error["text"]
    both = mlops(monkeypatch, "logs", spec.name, "--runs", "5").out
    assert both.index(good.run_id) < both.index(bad.run_id)
    only = mlops(monkeypatch, "logs", spec.name, "--run", good.run_id[:8]).out
    assert bad.run_id not in only


def test_validate_connect_finds_what_a_run_would(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = local_platform.model()
    file = write_file(local_platform, spec)
    readings(400).with_columns(at=pl.col("at").dt.offset_by("-1d")).write_parquet(
        local_platform.file(spec.name)
    )
    assert mlops(monkeypatch, "validate", "--connect", file).code == 0
    readings(400).drop("y").write_parquet(local_platform.file(spec.name))
    missing = mlops(monkeypatch, "validate", "--connect", file)
    assert missing.code == 1
    assert "source: " in missing.err
    assert "no column 'y' (named in target)" in missing.err
    shifted = readings(400).with_columns(at=pl.col("at").dt.offset_by("-1d"), spare=pl.lit(1.0))
    rules = {"hot": {"column": "heat", "above": 1}, "known": {"column": "spare", "above": 1}}
    unknown = local_platform.model(
        shifted,
        repairs={"drop": ["spare"]},
        monitoring={"kpis": {"lost": "SUM(zz * label)", "fine": "AVG(x)"}},
        alerts={"rules": rules},
    )
    refusing = write_file(local_platform, unknown)
    Path(refusing).write_text(json.dumps(json.loads(Path(refusing).read_text()), indent=1))
    refused = json.loads(mlops(monkeypatch, "validate", "--connect", "--json", refusing).out)
    assert [(one["key"], one["line"] > 1) for one in refused["problems"]] == [
        ("alerts.rules.hot.column", True),
        ("monitoring.kpis.lost", True),
    ]
    assert "'heat'" in refused["problems"][0]["message"]
    assert "'zz'; did you mean 'z'?" in refused["problems"][1]["message"]
    readings(3).write_parquet(local_platform.file(spec.name))
    few = json.loads(mlops(monkeypatch, "validate", "--connect", "--json", file).out)
    assert [problem["message"].partition(":")[0] for problem in few["problems"]] == ["min_rows"]
    assert mlops(monkeypatch, "validate", file).code == 0

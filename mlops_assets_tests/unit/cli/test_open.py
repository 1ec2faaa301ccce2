"""`mlops open`: the addresses of the running `mlops up`, and none of one that has ended."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from mlops_assets import key_files
from mlops_assets.local import locks
from mlops_assets_tests.cli_calls import mlops

ADDRESSES = {
    "dagster-webserver": "http://127.0.0.1:3001",
    "api": "http://127.0.0.1:8000",
    "review": "http://127.0.0.1:8001",
}


def test_addresses_of_what_runs_sign_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path))
    (tmp_path / "addresses.json").write_text(json.dumps(ADDRESSES))
    key = key_files.create_key(tmp_path, key_files.FRONT).read_text().strip()
    lock = locks.acquire(tmp_path / "up.lock")
    assert lock is not None
    printed = mlops(monkeypatch, "open")
    assert printed.code == 0
    assert printed.out.splitlines() == [
        f"Dagster         http://127.0.0.1:3001/?session={key}",
        "prediction API  http://127.0.0.1:8000",
        f"Review page     http://127.0.0.1:8001/?session={key}",
    ]
    assert json.loads(mlops(monkeypatch, "open", "--json").out)["api"] == ADDRESSES["api"]
    table = tmp_path / "rows.csv"
    table.write_text("a,y\n" + "".join(f"{row % 7},{row * 1.5}\n" for row in range(60)))
    (tmp_path / "models").mkdir()
    monkeypatch.setenv("MLOPS_MODELS", str(tmp_path / "models"))
    drafted = mlops(monkeypatch, "new", "fresh", "--data", str(table), "--target", "y")
    assert drafted.out.endswith("mlops run fresh\nthe running Dagster lists it after Deployment, Reload\n"), (
        drafted
    )
    os.close(lock)
    # a killed 'mlops up' leaves the file behind
    ended = mlops(monkeypatch, "open")
    assert (ended.code, ended.out) == (1, "")
    assert f"nothing runs on {tmp_path}; start it: mlops up" in ended.err

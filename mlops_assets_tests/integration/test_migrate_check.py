"""`mlops migrate --check` says what a migration would have to do, and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mlops_assets.local import databases
from mlops_assets.local.postgres import UNFINISHED
from mlops_assets_tests.cli_calls import mlops
from mlops_assets_tests.local_platform import LocalPlatform

pytestmark = pytest.mark.slow


def test_a_database_that_is_behind_is_named(
    local_platform: LocalPlatform, postgres_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLOPS_DATABASE_URL", postgres_server)
    printed = mlops(monkeypatch, "migrate", "--check")
    assert (printed.code, printed.out.count("current")) == (0, 3)
    with databases.maintenance(postgres_server) as connection:
        before = databases.marks(connection, ["mlops_ledger", "mlops_mlflow"])
        try:
            databases.mark(connection, "mlops_ledger", "ledger v0001_ledger")
            databases.mark(connection, "mlops_mlflow", UNFINISHED)
            printed = mlops(monkeypatch, "migrate", "--check", "--json")
            assert printed.code == 1
            states = {one["database"]: one for one in json.loads(printed.out)}
            assert {name: one["state"] for name, one in states.items()} == {
                "mlops_ledger": "behind",
                "mlops_mlflow": "unfinished",
                "mlops_dagster": "current",
            }
            assert states["mlops_ledger"]["migrated_to"] == "ledger v0001_ledger"
            assert databases.marks(connection, ["mlops_ledger"]) == {"mlops_ledger": "ledger v0001_ledger"}
            printed = mlops(monkeypatch, "migrate", "--check")
            assert "'mlops migrate' brings mlops_ledger, mlops_mlflow to this release" in printed.out
        finally:
            for name, mark in before.items():
                databases.mark(connection, name, str(mark))
    assert mlops(monkeypatch, "migrate", "--check").code == 0


def test_nothing_to_check_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLOPS_DATABASE_URL", raising=False)
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "never"))
    printed = mlops(monkeypatch, "migrate", "--check")
    assert (printed.code, "nothing has run below" in printed.err) == (1, True)
    assert not (tmp_path / "never").exists()

"""What a probe keeps for the next one."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.operations import probe
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import FakeRegistry, begin


def test_a_run_that_was_deleted_in_mlflow_is_followed_by_another(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = begin(tmp_path, ledger)
    deleted = False

    def reopen(_registry: FakeRegistry, _model: str, _run_id: str) -> Any:
        if deleted:
            raise ServiceError("the run was deleted")
        return SimpleNamespace(metrics=lambda _seconds: None)

    def predict(rows: pl.DataFrame) -> Any:
        return rows["y"].to_numpy()

    fits = SimpleNamespace(best=SimpleNamespace(predict=predict))
    monkeypatch.setattr(FakeRegistry, "reopen", reopen, raising=False)
    monkeypatch.setattr(probe, "fit_recipe", lambda *_: fits)
    assert probe.probe(station.platform, station.run(), None, None).mlflow_run_id == "mlflow-run"
    deleted = True
    bad = probe.probe(station.platform, station.run(), None, None)
    assert (bad.problem, bad.mlflow_run_id) == ("mlflow: the run was deleted", None)
    deleted = False
    assert probe.probe(station.platform, station.run(), None, None).mlflow_run_id == "mlflow-run"

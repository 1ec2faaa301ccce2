"""A champion whose version was deleted in MLflow is reported."""

from __future__ import annotations

from pathlib import Path

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.recovery import mlflow_sync
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import begin


def test_a_champion_deleted_in_mlflow_is_reported_until_it_is_back(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    version, _, _ = station.challenge()
    assert station.champion() == version

    def missing() -> list[str]:
        mlflow_sync.reconcile(station.platform, station.spec, station.run())
        return [one.message for one in ledger.alerts() if one.kind == "mlflow_version_missing"]

    assert missing() == []
    station.registry.deleted.add(version)
    assert f"version {version} in the ledger" in missing()[0]
    assert len(missing()) == 1
    station.registry.deleted.clear()
    missing()
    assert not [one for one in ledger.alerts(open_only=True) if one.kind == "mlflow_version_missing"]

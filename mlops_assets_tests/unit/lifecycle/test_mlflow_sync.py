"""A version that was deleted in MLflow is registered again and reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.recovery import mlflow_sync
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import Station, begin


def messages(station: Station, kind: str, *, open_only: bool = False) -> list[str]:
    return [one.message for one in station.platform.ledger.alerts(open_only=open_only) if one.kind == kind]


def reconcile(station: Station) -> mlflow_sync.Reconciled:
    return mlflow_sync.reconcile(station.platform, station.spec, station.run())


def test_a_champion_deleted_in_mlflow_is_registered_again_with_one_alert(
    tmp_path: Path, ledger: Ledger
) -> None:
    station = begin(tmp_path, ledger)
    version, _, _ = station.challenge()
    assert station.champion() == version
    assert not reconcile(station).tampered
    station.registry.deleted.add(version)
    assert reconcile(station).tampered
    assert station.registry.deleted == set()
    (message,) = messages(station, "mlflow_changed")
    assert f"version {version}: it was registered again" in message
    assert not reconcile(station).tampered
    assert len(messages(station, "mlflow_changed")) == 1


def test_a_version_that_cannot_be_brought_back_is_an_alert_until_it_can(
    tmp_path: Path, ledger: Ledger
) -> None:
    station = begin(tmp_path, ledger)
    version, _, _ = station.challenge()
    station.registry.refusing = True
    reconcile(station)
    reconcile(station)
    (message,) = messages(station, "mlflow_version_missing")
    assert f"version {version}: MLflow could not store the bundle" in message
    assert station.registry.mirrored, "the alias is kept in line all the same"
    station.registry.refusing = False
    reconcile(station)
    assert messages(station, "mlflow_version_missing", open_only=True) == []


def test_mlflow_that_is_down_is_no_missing_version(tmp_path: Path, ledger: Ledger) -> None:
    station = begin(tmp_path, ledger)
    station.challenge()
    station.registry.refusing = station.registry.down = True
    with pytest.raises(ServiceError):
        reconcile(station)
    assert messages(station, "mlflow_version_missing") == []

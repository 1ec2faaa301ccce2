"""Bundles and the ledger's rows: a number is used once, a row points to its own bundle, leftovers are removed."""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from mlops_assets.errors import BundleError
from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.model_loading import load_version
from mlops_assets.lifecycle.recovery.bundles import sweep_unfinished, unknown_bundles
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, Station, begin


@pytest.fixture
def station(tmp_path: Path, ledger: Ledger) -> Station:
    station = begin(tmp_path, ledger)
    station.challenge()
    return station


def test_a_number_whose_folder_exists_is_skipped(station: Station) -> None:
    folder = station.platform.settings.model_root / "station"
    for number in ("2", "5"):  # made by a ledger that is newer than the backup
        shutil.copytree(folder / "1", folder / number)
    assert unknown_bundles(station.platform, "station") == (2, 5)
    assert station.train().version == 6
    assert unknown_bundles(station.platform, "station") == ()


@pytest.mark.parametrize("model", ["station", "pump"])
def test_a_row_that_points_to_another_bundle_is_not_loaded(station: Station, model: str) -> None:
    ledger = station.platform.ledger
    station.with_gates(*GATES, description="Another bundle")
    second, _, _ = station.challenge()
    row = ledger.model_version("station", second)
    if model == "pump":  # another model's row, without evidence of its own
        ledger.new_version(
            "pump", station.now, bundle_path=row.bundle_path, manifest_sha256=row.manifest_sha256
        )
        with pytest.raises(BundleError, match="points to the bundle of 'station'"):
            load_version(station.platform, "pump", 1)
        return
    with ledger._transaction() as connection:
        connection.execute(text("set local session_replication_role = replica"))
        connection.execute(
            text(
                "update model_versions set bundle_path = :path, manifest_sha256 = :manifest where version = 1"
            ),
            {"path": row.bundle_path, "manifest": row.manifest_sha256},
        )
    with pytest.raises(BundleError, match="its evidence is about the bundle"):
        load_version(station.platform, "station", 1)


def test_leftovers_of_killed_saves_and_trainings_are_closed(station: Station) -> None:
    root = station.platform.settings.model_root / "station"
    old, young = root / ".7.abcd1234.tmp", root / ".8.abcd1234.tmp"
    for folder in (old, young):
        folder.mkdir()
    then = (station.now - timedelta(days=3)).timestamp()
    os.utime(old, (then, then))
    os.utime(young, (station.now.timestamp(),) * 2)
    orphan = station.platform.ledger.new_version("station", station.now - timedelta(days=3)).version
    waiting = station.platform.ledger.new_version("station", station.now).version
    assert sweep_unfinished(station.platform, station.now, timedelta(days=2)) == (1, 1)
    assert sweep_unfinished(station.platform, station.now, timedelta(days=2)) == (0, 0)
    assert (old.exists(), young.exists()) == (False, True)
    assert station.statuses() == {1: "champion", orphan: "archived", waiting: "challenger"}

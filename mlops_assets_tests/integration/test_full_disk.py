"""A disk without a free byte, really: `mlops status` and `mlops rollback` work, and say what is full."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.ledger import Ledger
from mlops_assets.local import locks, postgres, reserve
from mlops_assets.operations.disks import space_of
from mlops_assets.settings import Settings
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import begin
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.integration, pytest.mark.faults]


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of its own."""
    folder = Path(tempfile.mkdtemp(prefix="disk", dir="/tmp"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=400m", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        folder.rmdir()
        pytest.skip("this machine allows no mounts")
    try:
        yield folder
    finally:
        postgres.release(Settings.from_environment(variables(folder / "home")))
        wait_until(lambda: not locks.is_held(folder / "home" / "postgres" / "server.lock"))
        subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


def variables(home: Path) -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))}
    return {**plain, "MLOPS_HOME": str(home), "MLOPS_MODELS": str(home / "models")}


def mlops(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from mlops_assets.cli.main import main; main()", *arguments],
        env=variables(home),
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=patience(120),
        check=False,
    )


def fill(disk: Path, number: int) -> None:
    with (disk / f"fill{number}").open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass
    assert space_of(disk).free == 0


def test_status_and_rollback_work_on_a_full_disk(disk: Path) -> None:
    home = disk / "home"
    settings = Settings.from_environment(variables(home))
    stores = postgres.prepare(settings)
    assert (home / "reserve").stat().st_size == reserve.SIZE
    with Ledger.open(stores.ledger_url, stores.approvals_url) as ledger:
        (disk / "station").mkdir()
        station = begin(disk / "station", ledger)
        name = station.spec.name
        for _ in range(2):
            station.challenge()
    (home / "models").mkdir()
    postgres.release(settings)
    wait_until(lambda: not locks.is_held(home / "postgres" / "server.lock"))

    fill(disk, 1)
    shown = mlops(home, "status")
    assert shown.returncode == 0, shown.stderr
    assert "version 2" in shown.stdout
    assert f"the disk of {home} is full" in shown.stderr
    fill(disk, 2)
    back = mlops(home, "rollback", name)
    assert back.returncode == 0, back.stderr
    assert "version 1 is champion again" in back.stdout
    assert "Free some space now" in back.stderr
    for file in disk.glob("fill*"):
        file.unlink()
    with Ledger.open(postgres.prepare(settings).ledger_url) as ledger:
        assert [one.action for one in ledger.history(name)] == ["rolled_back", "promoted", "promoted"]
    assert (home / "reserve").stat().st_size == reserve.SIZE, "the reserve is whole again"
    postgres.release(settings)

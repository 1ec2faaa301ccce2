"""A backup is whole, is refused by the name of a damaged file, and puts a platform back on an empty machine."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.artifacts import TableVersion
from mlops_assets.datasets import Datasets, Provenance
from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.local import backup, postgres
from mlops_assets.settings import Settings

pytestmark = pytest.mark.slow

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
FRAME = pl.DataFrame({"x": [1.0, 2.0]})


def settings_of(home: Path) -> Settings:
    return Settings.from_environment({"MLOPS_HOME": str(home)})


def silent(_: str) -> None: ...


@dataclass
class Made:
    """A platform with one alert, one table version and one bundle file, and its backup."""

    settings: Settings
    elsewhere: Settings
    table: TableVersion
    folder: Path


@pytest.fixture(scope="module")
def made() -> Iterator[Made]:
    # not below pytest's own folder: the server's user must be able to enter every folder above
    root = Path(tempfile.mkdtemp(prefix="backup", dir="/tmp"))
    settings = settings_of(root / "home")
    stores = postgres.prepare(settings)
    with Ledger.open(stores.ledger_url) as ledger:
        ledger.raise_alert(
            "one", kind="failed_run", severity="warning", message="kept for ever", at=AT, model="station"
        )
    table = Datasets(settings.data_root).write("station", "features", FRAME, Provenance("a", AT, "1", "c"))
    bundle = settings.model_root / "station" / "1"
    bundle.mkdir(parents=True)
    (bundle / "manifest.json").write_text("{}")
    (settings.home / "api_key").write_text("secret")
    folder, _ = backup.create(settings, root / "backups", AT, silent)
    assert postgres.release(settings)
    yield Made(settings, settings_of(root / "elsewhere"), table, folder)
    shutil.rmtree(root)


def test_a_backup_is_whole_and_holds_no_key(made: Made) -> None:
    assert backup.problems(made.folder) == []
    [(path, known)] = backup.known(made.folder.parent)
    assert (path, known.created_at) == (made.folder, AT)
    assert {"mlops_ledger.dump", "mlops_dagster.dump", "mlops_mlflow.dump"} < set(known.files)
    assert not [name for name in known.files if "key" in name]
    assert not list(made.folder.parent.glob("*.partial"))
    assert made.folder.stat().st_mode & 0o077 == 0


def test_damage_in_any_single_file_is_refused_by_its_name(made: Made, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.folder, copy)
    for name in backup.read(made.folder).files:
        original = (copy / name).read_bytes()
        (copy / name).write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        [problem] = backup.problems(copy)
        assert problem.startswith(f"{name} is damaged")
        (copy / name).unlink()
        assert backup.problems(copy) == [f"{name} is missing"]
        with pytest.raises(ServiceError, match=r"was not restored: .* is missing"):
            backup.restore(settings_of(tmp_path / "home"), copy, silent)
        (copy / name).write_bytes(original)
    (copy / "more").write_text("x")
    assert backup.problems(copy) == ["more was added later"]
    assert not (tmp_path / "home").exists()
    (copy / backup.MANIFEST).write_text("{")
    with pytest.raises(ServiceError, match="is no backup"):
        backup.problems(copy)


def test_it_puts_the_platform_back_into_an_empty_home(made: Made) -> None:
    settings = made.elsewhere
    backup.restore(settings, made.folder, silent)
    with pytest.raises(ServiceError, match="is there already; restore into an empty MLOPS_HOME"):
        backup.restore(settings, made.folder, silent)
    stores = postgres.prepare(settings)
    with Ledger.open(stores.ledger_url, stores.approvals_url) as ledger:
        [alert] = ledger.alerts()
        assert alert.message == "kept for ever"
        ledger.acknowledge_alert("one", "ann", AT)
    assert Datasets(settings.data_root).read(made.table).equals(FRAME)
    assert (settings.model_root / "station" / "1" / "manifest.json").read_text() == "{}"
    assert postgres.release(settings)


def test_nothing_to_back_up_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="there is nothing to back up"):
        backup.create(settings_of(tmp_path / "never"), tmp_path / "backups", AT, silent)
    remote = Settings.from_environment({"MLOPS_HOME": str(tmp_path), "MLOPS_DATA_ROOT": "s3://bucket/tables"})
    with pytest.raises(ServiceError, match="with the versions of the object store"):
        backup.create(remote, tmp_path / "backups", AT, silent)

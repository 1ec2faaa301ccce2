from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from mlops_assets.errors import ServiceError
from mlops_assets.local.environment import dagster_home, environment, make_dagster_home, make_home
from mlops_assets.settings import Settings, Stores

EMBEDDED = "postgresql+psycopg2://postgres@/?host=/srv/a%20b&port=5432"
SERVERS = [
    EMBEDDED,
    "postgresql://u:p%40ss@db.example:5433",
    "postgres://u:p@db.example/maintenance?sslmode=require",
]


@pytest.mark.parametrize("server", SERVERS)
def test_a_child_reads_back_the_same_settings_and_stores(tmp_path: Path, server: str) -> None:
    settings = Settings.from_environment(
        {"MLOPS_HOME": str(tmp_path), "MLOPS_DATABASE_URL": server, "MLOPS_MODELS": "m"}
    )
    stores = Stores.on(server)
    child = environment(settings, stores)
    again = Settings.from_environment(child)
    assert Stores.from_environment(child) == stores
    for name in ("home", "models", "data_root", "model_root", "artifact_root", "database_url"):
        assert getattr(again, name) == getattr(settings, name)
    assert child["DAGSTER_POSTGRES_URL"] == stores.dagster_url
    assert child["MLFLOW_TRACKING_URI"] == stores.mlflow_url


def test_without_a_server_in_the_settings_the_embedded_one_is_handed_down(tmp_path: Path) -> None:
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path)})
    assert Stores.from_environment(environment(settings, Stores.on(EMBEDDED))) == Stores.on(EMBEDDED)


def test_telemetry_is_off_and_threads_wait_quietly_unless_the_person_says_otherwise(tmp_path: Path) -> None:
    provided = {"MLOPS_HOME": str(tmp_path), "OMP_WAIT_POLICY": "active", "KEPT": "yes"}
    child = environment(Settings.from_environment(provided), Stores.on(EMBEDDED))
    assert child["DAGSTER_DISABLE_TELEMETRY"] == "yes"
    assert child["MLFLOW_DISABLE_TELEMETRY"] == "true"
    assert child["GX_ANALYTICS_ENABLED"] == "false"
    assert child["OMP_WAIT_POLICY"] == "active"
    assert child["KEPT"] == "yes"
    plain = environment(Settings.from_environment({"MLOPS_HOME": str(tmp_path)}), Stores.on(EMBEDDED))
    assert plain["OMP_WAIT_POLICY"] == "passive"


def test_programs_of_our_own_environment_come_first(tmp_path: Path) -> None:
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path), "PATH": "/usr/bin"})
    assert environment(settings, Stores.on(EMBEDDED))["PATH"] == f"{Path(sys.executable).parent}:/usr/bin"


def test_dagster_home_holds_the_file_of_the_repository_and_follows_it(tmp_path: Path) -> None:
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path)})
    home = make_dagster_home(settings)
    assert home == dagster_home(settings)
    result = yaml.safe_load((home / "dagster.yaml").read_text())
    assert result["storage"] == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert result["telemetry"] == {"enabled": False}
    (home / "dagster.yaml").write_text("an older one")
    make_dagster_home(settings)
    assert yaml.safe_load((home / "dagster.yaml").read_text()) == result
    assert [path.name for path in home.iterdir()] == ["dagster.yaml"]


def test_every_variable_that_dagster_yaml_asks_for_is_given(tmp_path: Path) -> None:
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path)})
    requested: set[str] = set()

    def look(part: object) -> None:
        if isinstance(part, dict):
            if set(part) == {"env"}:
                requested.add(str(part["env"]))
            for value in part.values():
                look(value)

    look(yaml.safe_load((make_dagster_home(settings) / "dagster.yaml").read_text()))
    assert requested >= {"DAGSTER_POSTGRES_URL", "DAGSTER_HOME"}
    assert requested <= set(environment(settings, Stores.on(EMBEDDED)))


def test_a_process_without_addresses_says_what_to_do() -> None:
    with pytest.raises(ValueError, match="MLOPS_DATABASE_URL"):
        Stores.from_environment({})


def test_a_home_that_cannot_be_made_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ServiceError, match="Set MLOPS_HOME to a folder of yours"):
        make_home(tmp_path / "file" / "home")


def test_a_home_on_a_read_only_disk_is_refused_as_such(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    with pytest.raises(ServiceError, match=f"the disk of {tmp_path} is mounted read-only"):
        make_home(tmp_path)

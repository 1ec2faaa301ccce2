"""Databases on a server that the settings name: an embedded one plays it, started once."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.local import cluster, databases, postgres
from mlops_assets.settings import Settings, database_on
from mlops_assets_tests.sql_queries import query


def settings_of(home: Path, **more: str) -> Settings:
    environ = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return Settings.from_environment({**environ, "MLOPS_HOME": str(home), **more})


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """A server with a role that may create nothing and one that may create databases."""
    home = Path(tempfile.mkdtemp(prefix="local", dir="/tmp"))
    url = cluster.start(home / "postgres")
    query(database_on(url, "postgres"), "create role poor login; create role rich login createdb")
    yield url
    assert cluster.release(home / "postgres")
    shutil.rmtree(home)


@pytest.fixture
def elsewhere(server: str) -> str:
    """The server without any of our databases."""
    for name in (*postgres.NAMES, "one"):
        query(database_on(server, "postgres"), f"drop database if exists {name}")
    return server


def test_databases_are_created_on_a_server_that_the_settings_name(elsewhere: str, tmp_path: Path) -> None:
    url = elsewhere.replace("postgres@", "rich:secret@").replace("postgresql+psycopg2", "postgresql")
    stores = postgres.start(settings_of(tmp_path, MLOPS_DATABASE_URL=url))
    assert query(stores.ledger_url, "select current_user") == [("rich",)]
    assert not (tmp_path / "postgres").exists()
    assert postgres.release(settings_of(tmp_path, MLOPS_DATABASE_URL=url))  # not ours to stop


def test_readings_elsewhere_need_no_database_here(elsewhere: str, tmp_path: Path) -> None:
    settings = settings_of(
        tmp_path, MLOPS_DATABASE_URL=elsewhere, MLOPS_READINGS_URL="postgresql://other/plant"
    )
    stores = postgres.start(settings)
    assert stores.readings_url == "postgresql+psycopg2://other/plant"
    assert query(stores.ledger_url, "select count(*) from pg_database where datname = 'mlops_readings'") == [
        (0,)
    ]


def test_who_may_not_create_databases_is_given_the_statements(elsewhere: str, tmp_path: Path) -> None:
    url = elsewhere.replace("postgres@", "poor:secret@")
    with pytest.raises(ServiceError, match="create database mlops_dagster owner poor;") as caught:
        postgres.start(settings_of(tmp_path, MLOPS_DATABASE_URL=url))
    assert "secret" not in str(caught.value)


def test_marks_live_and_die_with_their_database(elsewhere: str) -> None:
    with databases.maintenance(elsewhere) as connection:
        databases.create(connection, ["one"])
        assert databases.marks(connection, ["one", "two"]) == {"one": None}
        assert databases.mark(connection, "one", "it's 1.0")
        assert databases.marks(connection, ["one"]) == {"one": "it's 1.0"}
        with connection.cursor() as cursor:
            cursor.execute("drop database one")
        assert databases.marks(connection, ["one"]) == {}
        databases.create(connection, ["one"])
        databases.create(connection, ["one"])  # somebody else was quicker
        assert databases.marks(connection, ["one"]) == {"one": None}
    with databases.maintenance(elsewhere.replace("postgres@", "poor@")) as connection:
        assert not databases.mark(connection, "one", "2.0")


def test_an_address_of_another_kind_of_server_is_refused_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match="must be a PostgreSQL server") as caught:
        postgres.start(settings_of(tmp_path, MLOPS_DATABASE_URL="mysql://u:secret@h/x"))
    assert "secret" not in str(caught.value)
    assert "mysql://u@h/x" in str(caught.value)


def test_a_wrong_password_is_the_persons_to_mend(elsewhere: str, tmp_path: Path) -> None:
    url = elsewhere.replace("postgres@", "nobody_here:secret@")
    with pytest.raises(ServiceError, match='"nobody_here" does not exist') as caught:
        postgres.start(settings_of(tmp_path, MLOPS_DATABASE_URL=url))
    assert "secret" not in str(caught.value)


def test_one_process_at_a_time_migrates(elsewhere: str) -> None:
    with (
        databases.maintenance(elsewhere) as first,
        databases.maintenance(elsewhere) as second,
        second.cursor() as cursor,
    ):
        cursor.execute("set lock_timeout = '50ms'")
        with databases.alone(first), pytest.raises(psycopg2.errors.LockNotAvailable), databases.alone(second):
            pass
        with databases.alone(second):
            pass


def test_a_question_about_tables_that_are_not_as_expected_has_no_answer(elsewhere: str) -> None:
    url = database_on(elsewhere, "postgres")
    assert databases.holds(url, "select %s > 1", (2,)) is True
    assert databases.holds(url, "select %s > 1", (0,)) is False
    assert databases.holds(url, "select exists (select from no_such_table where x = %s)", (1,)) is None
    with pytest.raises(ServiceError, match="does not respond"):
        databases.holds(database_on(elsewhere, "no_such_database"), "select true", ())

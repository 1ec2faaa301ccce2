"""Planted secrets: after runs that succeed and runs that fail they stand in no log, table, report or command line."""

from __future__ import annotations

import gzip
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread

import psutil
import pytest

from mlops_assets.ledger.reader import Reader
from mlops_assets.settings import database_on
from mlops_assets_tests.local_platform import LocalPlatform, readings

pytestmark = [pytest.mark.slow, pytest.mark.integration]

PLANTED = {
    "PLANT_URL": "planted-0-database",
    "PLANT_BAD_URL": "planted-1-unreachable",
    "PLANT_TOKEN": "planted-2-token",
    "MLOPS_ALERTS": "planted-3-alerts",
    "MLOPS_API_KEY": "planted-4-api",
    "MLOPS_REVIEW_KEY": "planted-5-review",
}


@contextmanager
def command_lines(observed: set[str]) -> Iterator[None]:
    """Every command line of this process and its children, looked at again and again meanwhile."""
    end = Event()

    def look() -> None:
        me = psutil.Process()
        while not end.wait(0.05):
            for process in (me, *me.children(recursive=True)):
                try:
                    observed.add(" ".join(process.cmdline()))
                except psutil.Error:
                    continue

    thread = Thread(target=look)
    thread.start()
    try:
        yield
    finally:
        end.set()
        thread.join()


def in_files(*folders: Path) -> list[str]:
    """Files below the folders that hold a planted secret, by name."""
    wrong = []
    for file in (one for folder in folders for one in folder.rglob("*") if one.is_file()):
        content = file.read_bytes()
        if file.suffix == ".gz":
            content = gzip.decompress(content)
        wrong += [f"{file}: {name}" for name, secret in PLANTED.items() if secret.encode() in content]
    return wrong


def in_tables(url: str) -> list[str]:
    """Tables of a database that hold a planted secret in any column of any row."""
    with Reader.open(url) as reader:
        tables = reader.rows("select tablename from pg_tables where schemaname = 'public'")
        return [
            str(row["tablename"])
            for row in tables
            if reader.rows(f"select 1 from \"{row['tablename']}\" t where t::text like '%planted-%' limit 1")
        ]


def test_no_planted_secret_is_written_or_shown_anywhere(
    local_platform: LocalPlatform,
    postgres_server: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    frame = readings()
    server = postgres_server.replace("postgres:@", f"postgres:{PLANTED['PLANT_URL']}@")
    assert PLANTED["PLANT_URL"] in server
    url = database_on(server, "mlops_readings")
    frame.to_pandas().to_sql("secret_readings", url, if_exists="replace", index=False)
    values = {
        "PLANT_URL": url,
        "PLANT_BAD_URL": f"postgresql://reader:{PLANTED['PLANT_BAD_URL']}@127.0.0.1:1/plant",
        "PLANT_TOKEN": PLANTED["PLANT_TOKEN"],
        "MLOPS_ALERTS": f"json://ann:{PLANTED['MLOPS_ALERTS']}@127.0.0.1:1/alerts",
        "MLOPS_API_KEY": PLANTED["MLOPS_API_KEY"],
        "MLOPS_REVIEW_KEY": PLANTED["MLOPS_REVIEW_KEY"],
    }
    for name, text in values.items():
        monkeypatch.setenv(name, text)
    rest = {"kind": "rest", "url": "http://127.0.0.1:1/readings", "key_env": "PLANT_TOKEN", "retries": 0}
    good = local_platform.model(source={"kind": "sql", "table": "secret_readings", "url_env": "PLANT_URL"})
    bad = local_platform.model(source={"kind": "sql", "table": "readings", "url_env": "PLANT_BAD_URL"})
    refused = local_platform.model(source=rest)
    observed: set[str] = set()
    with command_lines(observed):
        assert local_platform.run_lifecycle(good).success
        for spec in (bad, refused):
            assert not local_platform.alone(spec, ["raw_readings"]).success
    printed = capfd.readouterr()
    shown = [*local_platform.sentences, printed.out, printed.err, *observed]
    assert [text for text in shown if "planted-" in text] == []
    assert len(observed) > 0
    assert in_files(local_platform.settings.home) == []
    for database in ("mlops_ledger", "mlops_dagster", "mlops_mlflow"):
        assert in_tables(database_on(postgres_server, database)) == [], database


def test_the_search_itself_finds_what_is_planted(tmp_path: Path, postgres_url: str) -> None:
    (tmp_path / "log.txt").write_text(f"password {PLANTED['PLANT_TOKEN']}")
    assert in_files(tmp_path) == [f"{tmp_path / 'log.txt'}: PLANT_TOKEN"]
    assert in_tables(postgres_url) == []
    from sqlalchemy import create_engine, text

    engine = create_engine(postgres_url)
    with engine.begin() as connection:
        connection.execute(text("create table t (body json)"))
        connection.execute(text("""insert into t values ('{"a": ["planted-1"]}')"""))
    engine.dispose()
    assert in_tables(postgres_url) == ["t"]
    assert os.environ.get("PLANT_TOKEN") is None

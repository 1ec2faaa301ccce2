"""The SQL source against a real PostgreSQL, and against a real MariaDB where its server program is installed."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import sqlalchemy as sa

from mlops_assets.errors import SourceError
from mlops_assets.readings.sources.feed import catch_up
from mlops_assets.simulators import SIMULATORS
from mlops_assets_tests.unit.readings.reading_factory import AS_OF, counted, read_model
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = pytest.mark.integration

PUMP: dict[str, Any] = {"target": "efficiency", "timestamp": "recorded_at", "entity": "pump_id"}


def run(url: str, *statements: str) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)
    engine.dispose()


def rows(url: str, query: str) -> list[tuple[object, ...]]:
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection:
        batch = [tuple(row) for row in connection.exec_driver_sql(query)]
    engine.dispose()
    return batch


def test_what_was_fed_is_read_back_exactly(postgres_url: str) -> None:
    added = catch_up(postgres_url, "readings_wide", "pump_station", until=AS_OF + timedelta(hours=5), days=10)
    assert added == 10 * 1_440
    source = {"kind": "sql", "table": "readings_wide", "window": "7d", "simulate": "pump_station"}
    read = read_model(source, environ={"MLOPS_READINGS_URL": postgres_url}, **PUMP)
    tick = timedelta(microseconds=1)
    assert read.frame.equals(SIMULATORS["pump_station"](AS_OF - timedelta(days=7) + tick, AS_OF + tick))
    assert read.frame["recorded_at"].max() == AS_OF.replace(second=0)
    assert read.repairs == ()
    assert "password" not in read.source


def test_feeding_again_and_from_many_processes_adds_each_minute_once(postgres_url: str) -> None:
    def feed(minutes: int) -> int:
        return catch_up(
            postgres_url, "readings wide", "pump_station", until=AS_OF + timedelta(minutes=minutes), days=1
        )

    with ThreadPoolExecutor(4) as pool:
        added = sum(pool.map(feed, [0, 30, 30, 60, 10, 60, 0, 45]))
    batch = rows(
        postgres_url,
        'select count(*), count(distinct recorded_at), min(recorded_at), max(recorded_at) from "readings wide"',
    )
    count, distinct, first, last = batch[0]
    assert isinstance(first, datetime)
    assert isinstance(last, datetime)
    assert added == count == distinct == (last - first) / timedelta(minutes=1) + 1
    assert last == AS_OF.replace(second=0) + timedelta(minutes=60)
    assert feed(60) == 0


def test_an_earlier_start_is_filled_in_without_a_gap(postgres_url: str) -> None:
    def feed(until: datetime, days: float) -> int:
        return catch_up(postgres_url, "readings_wide", "pump_station", until=until, days=days)

    assert feed(AS_OF, 1) == 1_440
    assert feed(AS_OF, 3) == 2 * 1_440
    assert feed(AS_OF - timedelta(days=10), 1) == 8 * 1_440
    assert feed(AS_OF, 1) == 0
    assert rows(postgres_url, "select count(*) from readings_wide") == [(11 * 1_440,)]


def test_the_table_has_an_index_that_begins_with_the_time(postgres_url: str) -> None:
    catch_up(postgres_url, "readings_wide", "pump_station", until=AS_OF, days=1)
    assert "(recorded_at, pump_id)" in str(
        rows(postgres_url, "select indexdef from pg_indexes where tablename = 'readings_wide'")
    )


def test_types_and_odd_names(postgres_url: str) -> None:
    run(
        postgres_url,
        'create schema "My Data"',
        'create table "My Data"."Odd ""Table" (t timestamptz, "Y; drop" double precision, n numeric(9,3), b boolean, '
        "s text, d date, i bigint, naive timestamp)",
        """insert into "My Data"."Odd ""Table" values
           ('2026-02-28 12:00:00.123456+02', 0.1, 1.5, true, '', '2026-01-01', 9007199254740993, '2026-01-01 10:00'),
           ('2026-02-28 13:00:00+02', 'NaN', null, null, 'a,"b"\n', null, null, null)""",
    )
    source = {"kind": "sql", "table": 'My Data.Odd "Table', "url_env": "PLANT_URL"}
    read = read_model(source, target="Y; drop", timestamp="t", environ={"PLANT_URL": postgres_url})
    assert read.frame.to_dicts() == [
        {
            "t": datetime(2026, 2, 28, 10, 0, 0, 123_456, tzinfo=UTC),
            "Y; drop": 0.1,
            "n": 1.5,
            "b": True,
            "s": "",
            "d": date(2026, 1, 1),
            "i": 9007199254740993,
            "naive": datetime(2026, 1, 1, 10),  # noqa: DTZ001
        },
        {
            "t": datetime(2026, 2, 28, 11, tzinfo=UTC),
            "Y; drop": None,
            "n": None,
            "b": None,
            "s": 'a,"b"\n',
            "d": None,
            "i": None,
            "naive": None,
        },
    ]
    assert counted(read) == {("nan_is_missing", "Y; drop"): 1}


def test_clock_times_without_zone_are_cut_exactly(postgres_url: str) -> None:
    run(
        postgres_url,
        "create table local (t timestamp, y double precision)",
        "insert into local select g, 1 from generate_series('2026-02-28'::timestamp, '2026-03-02', '1 hour') g",
    )
    source = {"kind": "sql", "table": "local", "window": "6h"}
    read = read_model(
        source,
        timestamp="t",
        repairs={"timezone": "Australia/Melbourne"},
        environ={"MLOPS_READINGS_URL": postgres_url},
    )
    assert read.frame["t"].to_list() == [AS_OF.replace(hour=hour, minute=0, second=0) for hour in range(2, 8)]


def test_query_with_colons_percent_and_semicolon(postgres_url: str) -> None:
    run(
        postgres_url,
        "create table r (t timestamptz, y int, w text)",
        "insert into r values (now() - interval '1 day', 1, 'a:b%%'), (now(), 2, 'x')",
    )
    source = {
        "kind": "sql",
        "query": "select *, t::text as shown from r where w like '%:b%' and t > '1999-01-01 10:30';",
    }
    read = read_model(
        source, timestamp="t", as_of=datetime.now(UTC), environ={"MLOPS_READINGS_URL": postgres_url}
    )
    assert read.frame["y"].to_list() == [1]


def test_a_missing_table_is_named_also_without_a_timestamp(postgres_url: str) -> None:
    run(postgres_url, "create table readings (y int)")
    with pytest.raises(SourceError, match=r"did you mean 'readings'"):
        read_model({"kind": "sql", "table": "reading"}, environ={"MLOPS_READINGS_URL": postgres_url})


def test_the_platforms_server_has_a_readings_database(postgres_url: str) -> None:
    """Whether that database is there depends on who else uses the server; that it is the one asked does not."""
    with pytest.raises(SourceError, match="mlops_readings"):
        read_model({"kind": "sql", "table": "no_such_table"}, environ={"MLOPS_DATABASE_URL": postgres_url})


@pytest.mark.parametrize(
    "source, message",
    [
        ({"table": "reading"}, "\"reading\" does not exist; did you mean 'readings'"),
        ({"query": "delete from readings returning *"}, "syntax error"),
        ({"query": "select nextval('counter') as y, now() as t"}, "read-only transaction"),
        ({"query": "select 1 as y, 2 as y, now() as t"}, "column 'y' twice"),
        ({"query": "select y from readings"}, r"no column 't' \(named in timestamp\)"),
        ({"table": "readings", "window": "1s"}, "gave no rows between"),
    ],
)
def test_refusals(postgres_url: str, source: dict[str, str], message: str) -> None:
    run(
        postgres_url,
        "create table readings (t timestamptz, y int)",
        "insert into readings values ('2026-01-01', 1)",
        "create sequence counter",
    )
    with pytest.raises(SourceError, match=message):
        read_model({"kind": "sql", **source}, timestamp="t", environ={"MLOPS_READINGS_URL": postgres_url})
    assert rows(postgres_url, "select y from readings") == [(1,)]


def test_no_password_in_any_message() -> None:
    for url in ("postgresql://me:hunter2@127.0.0.1:1/x", "oracle+nothing://me:hunter2@h/x"):
        with pytest.raises(SourceError) as caught:
            read_model({"kind": "sql", "table": "r", "url_env": "U"}, environ={"U": url})
        assert "hunter2" not in str(caught.value)
    with pytest.raises(SourceError, match="is no database URL"):
        read_model({"kind": "sql", "table": "r", "url_env": "U"}, environ={"U": "not a url"})
    with pytest.raises(SourceError, match="the environment variable U"):
        read_model({"kind": "sql", "table": "r", "url_env": "U"})
    with pytest.raises(SourceError, match="no readings database"):
        read_model({"kind": "sql", "table": "r"})


@pytest.fixture(scope="module")
def mariadb_url() -> Iterator[str]:
    """A real MariaDB server of the machine's own package, on a socket in a folder of its own."""
    pytest.importorskip("pymysql")
    server, install = shutil.which("mariadbd"), shutil.which("mariadb-install-db")
    if server is None or install is None:
        pytest.skip("no MariaDB server on this machine (Debian: apt-get install mariadb-server)")
    folder = Path(tempfile.mkdtemp(prefix="my", dir="/tmp"))
    owner = ["--user=root"]
    subprocess.run(
        [
            install,
            "--no-defaults",
            *owner,
            f"--datadir={folder}/d",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        ],
        check=True,
        capture_output=True,
    )
    process = subprocess.Popen(
        [
            server,
            "--no-defaults",
            *owner,
            f"--datadir={folder}/d",
            f"--socket={folder}/s",
            "--skip-networking",
            f"--pid-file={folder}/p",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"mysql://root@localhost/test?unix_socket={folder}/s"
    try:
        wait_until(lambda: (folder / "s").exists() or process.poll() is not None, 30)
        assert process.poll() is None, "MariaDB ended"
        run(f"mysql+pymysql://root@localhost/mysql?unix_socket={folder}/s", "create database test")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=patience(30))
        shutil.rmtree(folder, ignore_errors=True)


def test_mariadb(mariadb_url: str) -> None:
    run(
        mariadb_url.replace("mysql://", "mysql+pymysql://"),
        "create table `sales data` (`the time` datetime(6), y double, n decimal(9,2), s varchar(20), b boolean)",
        "insert into `sales data` values ('2026-02-28 10:00:00.5', 1.5, 2.25, 'ä', true), "
        "('2026-02-27', null, null, null, null), ('2026-03-02', 9, 9, 'z', false)",
    )
    source = {"kind": "sql", "table": "sales data", "url_env": "SHOP_URL", "window": "30d"}
    read = read_model(source, timestamp="the time", environ={"SHOP_URL": mariadb_url})
    assert read.frame.rows() == [
        (datetime(2026, 2, 27, tzinfo=UTC), None, None, None, None),
        (datetime(2026, 2, 28, 10, 0, 0, 500_000, tzinfo=UTC), 1.5, 2.25, "ä", 1),
    ]
    assert read.frame.schema["n"] == pl.Float64
    with pytest.raises(SourceError, match=r"did you mean 'sales data'"):
        read_model({**source, "table": "sales_data"}, timestamp="the time", environ={"SHOP_URL": mariadb_url})


def test_sqlite_through_plain_rows(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/a.db"
    run(
        url,
        "create table r (t text, y real)",
        "insert into r values ('2026-01-02', 2), ('2026-01-01', 1.5), ('2027-01-01', 3)",
    )
    read = read_model(
        {"kind": "sql", "table": "r", "url_env": "U"},
        timestamp="t",
        environ={"U": url},
        repairs={"sort": "time"},
    )
    assert read.frame["y"].to_list() == [1.5, 2.0]

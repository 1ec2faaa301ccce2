"""The embedded PostgreSQL, really started: who keeps it running, who stops it, and what a crash leaves."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import psycopg2.errors
import pytest

from mlops_assets.errors import LedgerError, ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.local import cluster, locks, postgres
from mlops_assets.local.environment import environment
from mlops_assets.settings import Settings, Stores
from mlops_assets_tests.sql_queries import query
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.integration]

USER = """
import os, sys
from mlops_assets.local import postgres
from mlops_assets.settings import Settings
print(postgres.start(Settings.from_environment({**os.environ, "MLOPS_HOME": sys.argv[1]})).ledger_url, flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def made() -> Iterator[Path]:
    """A home with a database made once; tests get copies."""
    home = Path(tempfile.mkdtemp(prefix="local", dir="/tmp"))
    postgres.start(settings_of(home))
    assert postgres.release(settings_of(home))
    yield home
    shutil.rmtree(home)


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    """A home of one's own, with databases and no server. Its path is short, as most people's are."""
    path = Path(tempfile.mkdtemp(prefix="local", dir="/tmp"))
    # keeps owners: the server's files are not root's
    subprocess.run(["cp", "-a", f"{made}/.", str(path)], check=True)
    yield path
    postgres.release(settings_of(path))
    wait_until(lambda: not locks.is_held(path / "postgres" / "server.lock"))
    shutil.rmtree(path)


def settings_of(home: Path, **more: str) -> Settings:
    environ = {name: value for name, value in os.environ.items() if "DATABASE_URL" not in name}
    return Settings.from_environment({**environ, "MLOPS_HOME": str(home), **more})


def running(home: Path) -> bool:
    return locks.is_held(home / "postgres" / "server.lock")


def user(home: Path) -> subprocess.Popen[str]:
    """Another process that uses the database until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", USER, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if "DATABASE_URL" not in name},
    )


def end(process: subprocess.Popen[str]) -> None:
    process.communicate(timeout=patience(30))
    assert process.returncode == 0


def test_it_makes_the_four_databases_and_listens_on_no_network(home: Path) -> None:
    stores = postgres.start(settings_of(home))
    names = {str(name) for (name,) in query(stores.ledger_url, "select datname from pg_database")}
    assert names >= set(postgres.NAMES)
    assert query(stores.readings_url, "show listen_addresses") == [("",)]
    assert query(stores.readings_url, "show server_encoding") == [("UTF8",)]
    assert query(stores.readings_url, "show fsync") == [("on",)]
    server = psutil.Process(int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0]))
    assert server.net_connections("inet") == []


def test_only_the_owner_may_open_the_socket(home: Path) -> None:
    postgres.start(settings_of(home))
    socket = cluster.Cluster(home / "postgres").sockets / ".s.PGSQL.5432"
    assert socket.is_socket()
    assert socket.stat().st_mode & 0o077 == 0


def test_starting_again_is_quick_and_changes_nothing(home: Path) -> None:
    first = postgres.start(settings_of(home))
    pid = query(first.ledger_url, "select pg_postmaster_start_time()")
    began = time.monotonic()
    assert postgres.start(settings_of(home)) == first
    assert time.monotonic() - began < patience(1 / 3)
    assert query(first.ledger_url, "select pg_postmaster_start_time()") == pid


def test_the_last_user_stops_it_and_not_the_first_to_leave(home: Path) -> None:
    with user(home) as other:
        assert other.stdout is not None
        other.stdout.readline()
        stores = postgres.start(settings_of(home))
        assert not postgres.release(settings_of(home))  # the other is still there
        assert running(home)
        assert query(stores.ledger_url, "select 1") == [(1,)]
        end(other)
    wait_until(lambda: not running(home))
    assert "database system is shut down" in (home / "logs" / "postgres.log").read_text()


def test_a_user_that_is_killed_counts_no_more(home: Path) -> None:
    with user(home) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert running(home)
        other.kill()
    wait_until(lambda: not running(home))


def test_one_command_after_another_finds_it_running(home: Path) -> None:
    stores = postgres.start(settings_of(home))
    born = query(stores.ledger_url, "select pg_postmaster_start_time()")
    with user(home) as first:
        assert first.stdout is not None
        first.stdout.readline()
        end(first)
    assert query(stores.ledger_url, "select pg_postmaster_start_time()") == born


def test_many_processes_at_once_get_one_server(home: Path) -> None:
    users = [user(home) for _ in range(4)]
    try:
        addresses = {process.stdout.readline() for process in users if process.stdout}
        assert addresses == {Stores.on(cluster.Cluster(home / "postgres").url).ledger_url + "\n"}
        lines = (home / "logs" / "postgres.log").read_text().splitlines()
        assert sum("ready to accept connections" in line for line in lines) == 2  # when it was made, and now
    finally:
        for process in users:
            end(process)
    wait_until(lambda: not running(home))


def test_what_a_crash_leaves_does_not_stop_the_next_start(home: Path) -> None:
    stores = postgres.start(settings_of(home))
    query(stores.readings_url, "create table kept (x int); insert into kept values (1)")
    pids = [int(str(pid)) for (pid,) in query(stores.ledger_url, "select pid from pg_stat_activity")]
    postmaster = int((home / "postgres" / "data" / "postmaster.pid").read_text().split()[0])
    guard = psutil.Process(postmaster).parent()
    assert guard is not None
    for pid in (guard.pid, postmaster, *pids):
        if psutil.pid_exists(pid):
            os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not running(home))
    # the number of a living process in the stale file: PostgreSQL alone would refuse to start
    stale = home / "postgres" / "data" / "postmaster.pid"
    lines = stale.read_text().splitlines()
    with subprocess.Popen(["sleep", "60"], user=stale.stat().st_uid if os.geteuid() == 0 else None) as living:
        stale.write_text("\n".join([str(living.pid), *lines[1:]]) + "\n")
        again = postgres.start(settings_of(home))
        living.kill()
    assert query(again.readings_url, "select x from kept") == [(1,)]


@pytest.mark.skipif(
    sys.platform != "linux", reason="the kernel tells children of their parent's death on Linux only"
)
def test_the_server_ends_when_its_guard_is_killed(home: Path) -> None:
    postgres.start(settings_of(home))
    guard = locks.signature(home / "postgres" / "server.lock")
    assert guard is not None
    os.kill(guard, signal.SIGKILL)
    wait_until(lambda: not running(home))
    assert query(postgres.start(settings_of(home)).ledger_url, "select 1") == [(1,)]


def test_a_first_start_that_was_killed_leaves_nothing_that_looks_like_a_database(tmp_path: Path) -> None:
    home = Path(tempfile.mkdtemp(prefix="local", dir="/tmp"))
    (home / "postgres" / "making-123").mkdir(parents=True)
    (home / "postgres" / "making-123" / "PG_VERSION").write_text("18\n")
    stores = postgres.start(settings_of(home))
    assert query(stores.ledger_url, "select 1") == [(1,)]
    assert not (home / "postgres" / "making-123").exists()
    assert postgres.release(settings_of(home))
    shutil.rmtree(home)


def test_paths_that_are_long_or_odd_work(made: Path, tmp_path: Path) -> None:
    home = tmp_path / ("long" * 20) / "with a space, 100% é"
    home.mkdir(parents=True)
    subprocess.run(["cp", "-a", f"{made}/.", str(home)], check=True)
    stores = postgres.start(settings_of(home))
    assert query(stores.mlflow_url, "select current_database()") == [("mlops_mlflow",)]
    assert postgres.release(settings_of(home))


def test_a_database_of_another_major_version_is_not_touched(home: Path) -> None:
    (home / "postgres" / "data" / "PG_VERSION").write_text("12\n")
    with pytest.raises(ServiceError, match="written by PostgreSQL 12, installed is 18"):
        postgres.start(settings_of(home))


def test_a_server_that_cannot_start_shows_the_end_of_its_log(home: Path) -> None:
    (home / "postgres" / "data" / "postgresql.conf").write_text("nonsense = 1\n")
    with pytest.raises(ServiceError, match=r"did not start(.|\n)*unrecognized configuration parameter"):
        postgres.start(settings_of(home))


def test_a_folder_that_lost_its_files_is_not_taken_for_a_database(home: Path) -> None:
    (home / "postgres" / "data" / "PG_VERSION").unlink()
    with pytest.raises(ServiceError, match="is not a database of PostgreSQL"):
        postgres.start(settings_of(home))


REFUSED = (
    "alter table history disable trigger all",
    "set session_replication_role = replica",
    "delete from history",
    "insert into approvals values ('x', 'approve', 'ann', '', now())",
    "create table mine (x int)",
    "set role mlops_approver",
    "set role postgres",
)


def test_programs_connect_as_a_role_that_can_neither_rewrite_history_nor_approve(home: Path) -> None:
    owner = postgres.start(settings_of(home))
    query(owner.readings_url, "create table simulated (x int)")  # as an earlier release made it
    stores = postgres.prepare(settings_of(home))
    child = Settings.from_environment(environment(settings_of(home), stores))
    for programs in (stores, postgres.prepare(child)):
        for url in (programs.ledger_url, programs.dagster_url, programs.mlflow_url, programs.readings_url):
            roles = query(url, "select rolname, rolsuper from pg_roles where rolname = current_user")
            assert roles == [("mlops_app", False)]
        for statement in REFUSED:
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                query(programs.ledger_url, statement)
        for url in (programs.dagster_url, programs.mlflow_url, programs.readings_url):
            query(url, "create table mine (x int); drop table mine")
        query(programs.readings_url, "insert into simulated values (1)")
        at = datetime.now(UTC)
        with Ledger.open(programs.ledger_url, programs.approvals_url) as ledger:
            version = ledger.new_version("pump", at).version
            evidence = ledger.record_evidence("pump", version, {"at": at.isoformat()}, at)
            ledger.record_verdict(evidence, "approve", actor="ann", comment="", at=at)
        with (
            Ledger.open(programs.ledger_url) as ledger,
            pytest.raises(LedgerError, match="permission denied"),
        ):
            ledger.waive("pump", "x", owner="ann", reason="y", at=at, expires_at=at + timedelta(days=1))

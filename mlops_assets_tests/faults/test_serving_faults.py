"""The prediction API in a process of its own: the database goes away, the process is killed, and predictions go on."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, make_url, text

from mlops_assets.ledger import Ledger, migrate
from mlops_assets_tests.conftest import started_server
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import GATES, begin
from mlops_assets_tests.waiting import became_true, patience

pytestmark = [pytest.mark.faults, pytest.mark.slow]

KEY = {"x-api-key": "secret"}
BODY = {"readings": [{"at": "2026-03-02T01:00:00Z", "pump_id": "p1", "flow": 200.0, "power": 5.0}]}


@dataclass
class Api:
    """A running process of the API."""

    process: subprocess.Popen[bytes]
    port: int

    def get(self, path: str) -> dict[str, Any]:
        try:
            document: dict[str, Any] = httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=KEY).json()
        except httpx.HTTPError as error:
            return {"error": str(error)}
        return document

    def predict(self) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{self.port}/predict/station", json=BODY, headers=KEY, timeout=patience(10)
        )


@contextmanager
def api(environment: dict[str, str]) -> Iterator[Api]:
    """Run a process of the API until the end of the block."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.set_inheritable(True)
        process = subprocess.Popen(
            [sys.executable, "-m", "mlops_assets.serving"],
            env={**environment, "MLOPS_API_FD": str(listener.fileno())},
            pass_fds=(listener.fileno(),),
        )
    try:
        yield Api(process, port)
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def database() -> Iterator[str]:
    """A server of this test's own: the ledger of the one that tests share belongs to others, and goes away here."""
    with started_server() as url:
        run(url, "create database mlops_ledger")
        migrate(make_url(url).set(database="mlops_ledger").render_as_string(hide_password=False))
        yield url


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    """A champion in the ledger, and what a process of the API needs to serve it."""
    url = make_url(database).set(database="mlops_ledger").render_as_string(hide_password=False)
    with Ledger.open(url) as ledger:
        gates = (GATES[0], {"metric_at_most": {"metric": "rmse", "limit": 1e6}})
        begin(
            tmp_path,
            ledger,
            gates,
            features={"inputs": ["flow", "power"]},
            training={"algorithms": ["ridge"]},
        ).challenge()
    return {
        **os.environ,
        "MLOPS_HOME": str(tmp_path / "home"),
        "MLOPS_MODELS": str(tmp_path / "models"),
        "MLOPS_DATABASE_URL": database,
        "MLOPS_API_KEY": "secret",
        "OMP_NUM_THREADS": "1",
    }


def run(url: str, *statements: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for statement in statements:
            connection.execute(text(statement))
    engine.dispose()


def take_away(url: str) -> None:
    """End every connection with the ledger, and refuse new ones."""
    run(
        url,
        "alter database mlops_ledger allow_connections false",
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = 'mlops_ledger'",
    )


def test_predictions_go_on_without_the_database_also_after_a_kill(
    environment: dict[str, str], database: str
) -> None:
    with api(environment) as first:
        assert became_true(lambda: first.get("/ready") == {"ready": True}, 60)
        expected = first.predict()
        assert expected.status_code == 200, expected.text
        assert "x-ledger" not in expected.headers
        take_away(database)
        assert became_true(lambda: "degraded" in first.get("/ready"), 30)
        during = first.predict()
        assert during.json()["predictions"] == expected.json()["predictions"]
        assert during.headers["x-ledger"] == "unreachable"
    with api(environment) as second:
        assert became_true(lambda: "degraded" in second.get("/ready"), 60)
        after = second.predict()
        assert after.json()["predictions"] == expected.json()["predictions"]
        assert after.json()["version"] == expected.json()["version"]
        run(database, "alter database mlops_ledger allow_connections true")
        assert became_true(lambda: second.get("/ready") == {"ready": True}, 60)
        assert "x-ledger" not in second.predict().headers
        assert became_true(lambda: second.get("/health")["prediction_log"]["written"] == 2, 60)


def test_a_termination_finishes_the_requests_that_have_begun(environment: dict[str, str]) -> None:
    body = json.dumps(BODY).encode()
    head = f"POST /predict/station HTTP/1.1\r\nhost: x\r\nx-api-key: secret\r\ncontent-length: {len(body)}\r\n\r\n"
    with api(environment) as one:
        assert became_true(lambda: one.get("/ready") == {"ready": True}, 60)
        with socket.create_connection(("127.0.0.1", one.port), timeout=patience(20)) as caller:
            caller.sendall(head.encode() + body[:10])
            assert one.predict().status_code == 200, "the server has read what was sent before"
            one.process.send_signal(signal.SIGTERM)
            assert became_true(lambda: "error" in one.get("/health"), 20), "no new connection is accepted"
            caller.sendall(body[10:])
            assert caller.recv(65_536).startswith(b"HTTP/1.1 200")
        assert one.process.wait(patience(30)) in (0, -signal.SIGTERM)

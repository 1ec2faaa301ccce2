"""The prediction API in a process of its own: the database goes away, the process is killed, and predictions go on."""

from __future__ import annotations

import json
import os
import re
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
import psutil
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
    return settings(database, tmp_path)


@pytest.fixture
def two_workers(database: str, tmp_path: Path) -> dict[str, str]:
    """What two processes behind one port need, with an empty ledger: every model is unknown to them."""
    return {**settings(database, tmp_path), "MLOPS_API_WORKERS": "2"}


def settings(database: str, folder: Path) -> dict[str, str]:
    """The environment of a process of the API."""
    return {
        **os.environ,
        "MLOPS_HOME": str(folder / "home"),
        "MLOPS_MODELS": str(folder / "models"),
        "MLOPS_DATABASE_URL": database,
        "MLOPS_API_KEY": "secret",
        "OMP_NUM_THREADS": "1",
    }


def serving_pids(service: Api) -> set[int]:
    """The processes that respond to some requests; one accepts no connection before it has loaded the champions."""
    documents = [service.get("/health") for _ in range(12)]
    return {int(document["process"]) for document in documents if "process" in document}


def not_found(service: Api) -> float:
    """Requests for an unknown model at all processes of the service."""
    metrics = httpx.get(f"http://127.0.0.1:{service.port}/metrics", headers=KEY, timeout=patience(10)).text
    match = re.search(r'^mlops_requests_total\{.*status="404".*\} (\S+)$', metrics, re.MULTILINE)
    return float(match[1]) if match else 0.0


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


def test_two_workers_are_one_service_and_a_killed_one_comes_back(two_workers: dict[str, str]) -> None:
    with api(two_workers) as one:
        supervisor = psutil.Process(one.process.pid)
        assert became_true(lambda: len(serving_pids(one)) == 2, 60)
        assert serving_pids(one) <= {worker.pid for worker in supervisor.children()}
        assert [one.predict().status_code for _ in range(20)] == [404] * 20
        assert became_true(lambda: not_found(one) == 20.0), "each counts its own, every response counts all"
        victim = supervisor.children()[0]
        victim.kill()
        assert one.predict().status_code == 404, "the other worker serves meanwhile"
        assert became_true(lambda: len(serving_pids(one) - {victim.pid}) == 2, 30)
        assert became_true(lambda: not_found(one) == 21.0), "what the killed worker counted still counts"
        workers = supervisor.children()
        one.process.terminate()
        one.process.wait(patience(60))
        assert not any(worker.is_running() for worker in workers)


def test_workers_end_with_a_supervisor_that_is_killed(two_workers: dict[str, str]) -> None:
    with api(two_workers) as one:
        assert became_true(lambda: len(serving_pids(one)) == 2, 60)
        workers = psutil.Process(one.process.pid).children()
        one.process.kill()
        assert became_true(lambda: not any(worker.is_running() for worker in workers), 30)

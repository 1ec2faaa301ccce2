"""Alerts reach the addresses a model file names, once, and no address is ever shown."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any, cast

import pytest

from mlops_assets.ledger import Ledger
from mlops_assets.lifecycle.alerts import apprise
from mlops_assets.lifecycle.platform import Platform
from mlops_assets.lifecycle.stages import monitor
from mlops_assets.model_file import ModelSpec
from mlops_assets_tests.local_platform import START


@pytest.fixture
def inbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """A server that takes JSON, its address for Apprise, and what it was sent."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            status = 500 if "broken" in self.path else 200
            if status == 200:
                received.append(json.loads(body))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"json://127.0.0.1:{server.server_port}", received
    server.shutdown()
    server.server_close()
    thread.join()


def spec_with(*names: str) -> ModelSpec:
    body = {
        "name": "pump",
        "description": "d",
        "owners": ["a@example.com"],
        "problem": "regression",
        "target": "y",
        "source": {"kind": "sample", "name": "diabetes"},
        "training": {"algorithms": ["ridge"]},
        "evaluation": {"primary": "rmse"},
        "alerts": {"notify": names},
    }
    return ModelSpec.model_validate_json(json.dumps(body))


def platform(ledger: Ledger, **environ: str) -> Platform:
    return cast(Platform, SimpleNamespace(ledger=ledger, settings=SimpleNamespace(environ=environ)))


def test_a_failed_run_is_told_once(ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]) -> None:
    address, received = inbox
    opened, spec = platform(ledger, OPS=f"{address}/ops {address}/night"), spec_with("OPS")
    assert monitor.alert_failed_run(opened, "r1", spec, ["features: no rows"], START)
    assert not monitor.alert_failed_run(opened, "r1", spec, ["features: no rows"], START)
    assert [message["title"] for message in received] == ["pump: a run failed"] * 2  # one per address
    assert "features: no rows" in received[0]["message"]
    assert "r1" in received[0]["message"]
    assert [alert.key for alert in ledger.alerts("pump")] == ["run-r1"]


def test_an_address_that_fails_is_an_alert_without_the_address(
    ledger: Ledger, inbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = inbox
    opened = platform(ledger, OPS=f"{address}/broken?token=hush", ODD="nonsense hush", GOOD=address)
    spec = spec_with("OPS", "ODD", "UNSET", "GOOD")
    assert monitor.alert_failed_run(opened, "r1", spec, ["x"], START)
    assert len(received) == 1
    unsent = [alert.message for alert in ledger.alerts("pump") if alert.kind == "alert_unsent"]
    assert sorted(unsent) == [
        "ODD does not hold an address that Apprise understands",
        "UNSET is not set, so nobody was told",
        "the address in OPS could not be told",
    ]


def test_nothing_is_sent_for_a_run_of_no_model(ledger: Ledger) -> None:
    assert monitor.alert_failed_run(platform(ledger), "r2", None, ["x"], START)
    assert [alert.message for alert in ledger.alerts()] == ["a run failed: x"]


def test_send_never_raises() -> None:
    assert apprise.send(["A"], {"A": "json://127.0.0.1:1/"}, "t", "b") == (
        "the address in A could not be told",
    )

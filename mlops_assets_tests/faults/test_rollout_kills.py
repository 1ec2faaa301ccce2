"""The serving process is killed in the middle of a canary: afterwards every caller meets the version of before."""

from __future__ import annotations

import multiprocessing
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import requests
import uvicorn

from mlops_assets.ledger import Ledger, invariants
from mlops_assets.serving import champions as following
from mlops_assets.serving.app import create_app
from mlops_assets.serving.champions import Champions
from mlops_assets.serving.keys import Keys
from mlops_assets.serving.prediction_log import PredictionLog
from mlops_assets.serving.rollouts import Rollouts
from mlops_assets_tests.unit.lifecycle.lifecycle_factory import begin
from mlops_assets_tests.unit.serving.test_rollouts import HALF, begun, newest, reading
from mlops_assets_tests.waiting import wait_until

pytestmark = pytest.mark.faults

HEADERS = {"x-api-key": "secret"}


def serve(folder: Path, url: str, listener: socket.socket) -> None:
    """The API in a process of its own, over the ledger and the bundles of a station."""
    following._try_elsewhere = lambda *_: None  # nothing here is about bundles that harm who loads them
    with Ledger.open(url) as ledger:
        platform = begin(folder, ledger, rollout=HALF).platform
        champions = Champions(platform, 0.05)
        app = create_app(
            champions,
            Keys("secret"),
            ledger,
            PredictionLog(ledger.store_served, flush_seconds=0.05),
            None,
            Rollouts(platform, champions, 0.05),
        )
        uvicorn.Server(uvicorn.Config(app, log_level="critical")).run([listener])


class Process:
    """A serving process that is killed at the end, and its address."""

    def __init__(self, folder: Path, url: str) -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(folder, url, listener)
        )
        self.process.start()
        listener.close()

    def versions(self) -> dict[str, int]:
        """Version by pump, when both versions are loaded."""
        wait_until(self.splits, 60)
        return {f"p{number}": self.predict(f"p{number}")["version"] for number in range(30)}

    def splits(self) -> bool:
        try:
            return {self.predict(f"p{number}")["version"] for number in range(30)} == {1, 2}
        except requests.RequestException:
            return False

    def predict(self, pump: str) -> dict[str, Any]:
        body = {"readings": [reading(pump)]}
        response = requests.post(f"{self.address}/predict/station", json=body, headers=HEADERS, timeout=30)
        response.raise_for_status()
        document: dict[str, Any] = response.json()
        return document

    def kill(self) -> None:
        self.process.kill()
        self.process.join()
        assert self.process.exitcode == -signal.SIGKILL


def test_a_caller_keeps_its_version_over_a_kill_of_the_serving_process(
    tmp_path: Path, ledger: Ledger, ledger_url: str
) -> None:
    begun(tmp_path, ledger, HALF)
    assigned = []
    for _ in range(2):
        process = Process(tmp_path, ledger_url)
        try:
            assigned.append(process.versions())
        finally:
            process.kill()
        assert (newest(ledger).state, newest(ledger).share) == ("running", 0.5)
    assert set(assigned[0].values()) == {1, 2}
    assert assigned[0] == assigned[1]
    assert invariants(ledger) == []
    assert [one.state for one in ledger.rollout_events(newest(ledger).id)] == ["running"]

"""The probe goes through real tables, a real fit, MLflow and an API; what breaks is named, measured and an alert."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import dagster as dg
import pytest

from mlops_assets.artifacts import from_json
from mlops_assets.datasets import Datasets
from mlops_assets.defs.model_defs import build_definitions
from mlops_assets.errors import ServiceError
from mlops_assets.ledger.reader import Reader
from mlops_assets.operations.exporter.collector import database_sources, values_of
from mlops_assets.operations.probe import RECORD, ProbeRecord, probe
from mlops_assets.operations.probe_api import ask_api
from mlops_assets_tests.local_platform import LocalPlatform

pytestmark = [pytest.mark.slow, pytest.mark.integration]


def alerts(platform: LocalPlatform) -> list[str]:
    """Messages of the probe's open alerts."""
    return [
        one.message for one in platform.platform.ledger.alerts(open_only=True) if one.kind == "probe_failed"
    ]


def metrics(platform: LocalPlatform) -> dict[tuple[str, str], float]:
    with (
        Reader.open(platform.stores.ledger_url) as ledger,
        Reader.open(platform.stores.dagster_url) as dagster,
    ):
        values = values_of(database_sources({"ledger": ledger, "dagster": dagster}))
    return {key: value for key, value in values.items() if key[0].startswith("mlops_probe")}


def test_a_probe_is_measured_and_what_breaks_is_named(
    local_platform: LocalPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, run = local_platform.platform, local_platform.run("probe-1")
    versions = platform.ledger.models()
    good = probe(platform, run, lambda: None, 3.5)
    assert (good.problem, good.succeeded_at) == ("", good.at)
    assert list(good.seconds) == ["queue", "tables", "training", "mlflow", "api"]
    values = metrics(local_platform)
    assert values["mlops_probe_up", ""] == 1.0
    assert values["mlops_probe_seconds", "queue"] == 3.5
    assert values["mlops_probe_success_timestamp_seconds", ""] == pytest.approx(good.at.timestamp())
    assert alerts(local_platform) == []

    def refused() -> None:
        raise ServiceError("nobody responds")

    bad = probe(platform, run, refused, None)
    assert bad.problem == "api: nobody responds"
    assert (bad.succeeded_at, bad.mlflow_run_id) == (good.at, good.mlflow_run_id)
    assert alerts(local_platform) == ["api: nobody responds"]
    assert metrics(local_platform)["mlops_probe_up", ""] == 0.0
    with monkeypatch.context() as patched:
        patched.setattr(
            Datasets, "read", lambda _self, _version: (_ for _ in ()).throw(OSError("disk is gone"))
        )
        assert probe(platform, run, None, None).problem == "tables: OSError: disk is gone"
    assert probe(platform, run, None, None).problem == ""
    assert alerts(local_platform) == [], "a probe that succeeds closes the alert"
    assert platform.ledger.models() == versions, "no version is registered"
    stored = platform.ledger.newest_records(RECORD, 9)
    assert len(stored) == 1, "one record stays"
    assert from_json(ProbeRecord, stored[0]).mlflow_run_id == good.mlflow_run_id


def test_the_job_measures_the_queue(local_platform: LocalPlatform) -> None:
    definitions = build_definitions([], probe=True)
    [schedule] = [one for one in definitions.schedules or () if one.name == "probe_hourly"]
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    requested = (datetime.now(UTC) - timedelta(seconds=60)).isoformat()
    with dg.DagsterInstance.get() as instance:
        result = definitions.resolve_job_def("probe").execute_in_process(
            instance=instance, tags={"mlops/as_of": requested}
        )
    assert result.success
    seconds = metrics(local_platform)["mlops_probe_seconds", "queue"]
    assert 60 <= seconds < 600


def test_it_is_off_by_default() -> None:
    assert "probe_hourly" not in {getattr(one, "name", "") for one in build_definitions([]).schedules or ()}


@contextmanager
def api(prediction: object) -> Iterator[str]:
    """An API with one champion that predicts this."""
    import json

    example: dict[str, Any] = {
        "post": {"requestBody": {"content": {"application/json": {"example": {"readings": [{}]}}}}}
    }
    pages = {
        "/models": {"models": {"pump": {"version": 1}}},
        "/openapi.json": {"paths": {"/predict/pump": example}},
        "/predict/pump": {"predictions": [prediction]},
    }

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.dumps(pages[self.path]).encode()
            self.send_response(200 if self.headers["x-api-key"] == "key" else 401)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_api_has_to_predict_something() -> None:
    with api(71.5) as url:
        ask_api(url, "key")
        with pytest.raises(ServiceError, match="does not respond as expected: 401"):
            ask_api(url, "wrong")
    for nothing in (None, float("nan")):
        with api(nothing) as url, pytest.raises(ServiceError, match="pump predicts"):
            ask_api(url, "key")
    with pytest.raises(ServiceError, match="does not respond"):
        ask_api("http://127.0.0.1:9", "key")

"""What Prometheus reads: every metric with its labels, what a dead store looks like, who may read it, what it costs."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from mlops_assets.errors import ServiceError
from mlops_assets.ledger import Ledger
from mlops_assets.local import processes
from mlops_assets.local.exporter import NAMES, platform_sources
from mlops_assets.operations.exporter.collector import PlatformCollector, Rows, Source, values_of
from mlops_assets.operations.exporter.families import FAMILIES, OWN
from mlops_assets.operations.exporter.server import MetricsApp, MetricsServer, token_for
from mlops_assets.settings import Settings, Stores
from mlops_assets_tests.fleet import add_backup, add_daemon, add_model, add_probe, add_rollout, queued_runs
from mlops_assets_tests.local_platform import LocalPlatform
from mlops_assets_tests.waiting import wait_until

MODELS = 200
CPU_LIMIT = 0.05
"""CPU seconds of a scrape of 200 models."""


def metrics_of(collector: PlatformCollector) -> dict[str, Metric]:
    """Every metric by name."""
    return {one.name: one for one in text_string_to_metric_families(collector.text().decode())}


def value(metrics: dict[str, Metric], name: str, **labels: str) -> float:
    """The value of the one series with these labels."""
    [sample] = [one for one in metrics[name].samples if labels.items() <= one.labels.items()]
    return float(sample.value)


@pytest.mark.integration
def test_every_metric_is_filled_and_has_its_labels(
    local_platform: LocalPlatform, ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    add_model(ledger, "exported", now, features=25)
    add_rollout(ledger, "exported", now)
    add_probe(ledger, now)
    add_daemon(now)
    add_backup(tmp_path, now)
    ledger.raise_alert("x1", model=None, kind="ledger_broken", severity="critical", message="m", at=now)
    settings = replace(local_platform.settings, environ={**local_platform.settings.environ, NAMES: "api"})
    stores = replace(local_platform.stores, ledger_url=ledger_url)
    with queued_runs(2):
        metrics = metrics_of(PlatformCollector(platform_sources(settings, stores, tmp_path)))

    failed = [s.labels["source"] for s in metrics["mlops_exporter_source_up"].samples if not s.value]
    assert failed == []
    for family in FAMILIES:
        if family.name == "mlops_retrain_decisions":
            continue  # the governor has decided nothing here
        samples = metrics[family.name].samples
        assert samples, family.name
        assert {tuple(sorted(one.labels)) for one in samples} == {tuple(sorted(family.labels))}, family.name

    def of_model(name: str, **labels: str) -> float:
        return value(metrics, f"mlops_model_{name}", model="exported", **labels)

    assert of_model("champion_info", version="1") == 1
    assert of_model("champion_since_timestamp_seconds") == pytest.approx(now.timestamp())
    assert of_model("last_comparison_timestamp_seconds") == pytest.approx(now.timestamp())
    assert of_model("last_prediction_timestamp_seconds") == pytest.approx(now.timestamp())
    assert of_model("gates", verdict="pass") == 1
    assert of_model("error", metric="rmse") == 1.5
    assert of_model("error_baseline", metric="rmse") == 1.2
    assert of_model("error_rise_ratio") == 0.25
    assert of_model("label_maturity_ratio") == 0.4
    assert of_model("drift_level_info", level="moderate") == 1
    assert of_model("drift_mean") == 0.12
    assert of_model("feature_drift", feature="f24", method="psi") == 0.24
    features = [s for s in metrics["mlops_model_feature_drift"].samples if s.labels["model"] == "exported"]
    assert {one.labels["feature"] for one in features} == {f"f{number}" for number in range(5, 25)}
    assert of_model("rollback_ready") == 1
    assert of_model("rollout_info", strategy="canary", state="running", version="2") == 1
    assert of_model("rollout_share_ratio") == 0.05
    assert of_model("rollout_step_timestamp_seconds") == pytest.approx(now.timestamp())
    assert of_model("rollout_step_requests") == 40
    assert of_model("rollout_step_errors") == 3
    assert of_model("retrain_requests", cause="drift", state="open") == 1
    assert value(metrics, "mlops_alerts_open", kind="ledger_broken", severity="critical") == 1
    assert value(metrics, "mlops_runs", status="QUEUED") == 2
    assert now.timestamp() - 5 < value(metrics, "mlops_runs_oldest_timestamp_seconds", status="QUEUED")
    assert value(metrics, "mlops_runs_finished", status="SUCCESS") >= 1
    assert value(metrics, "mlops_run_seconds_p95", status="SUCCESS") > 0
    tick = {"instigator": "housekeeping", "type": "sensor"}
    assert value(metrics, "mlops_tick_timestamp_seconds", **tick) == pytest.approx(now.timestamp())
    assert value(metrics, "mlops_tick_failed", **tick) == 0
    heartbeat = value(metrics, "mlops_daemon_heartbeat_timestamp_seconds", daemon="SENSOR")
    assert heartbeat == pytest.approx(now.timestamp())
    assert value(metrics, "mlops_database_up", database="dagster") == 1
    assert value(metrics, "mlops_database_size_bytes", database="mlops_ledger") > 1e6
    assert value(metrics, "mlops_backups") == 1
    assert value(metrics, "mlops_backup_timestamp_seconds") == pytest.approx(now.timestamp())
    assert value(metrics, "mlops_service_up", service="api") == 0, "named, and no process of that name"


@pytest.mark.integration
@pytest.mark.slow
def test_a_scrape_of_200_models_costs_less_than_50_ms_of_cpu(
    local_platform: LocalPlatform, ledger: Ledger, ledger_url: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    for number in range(MODELS):
        add_model(ledger, f"fleet{number}", now)
    clock = [0.0]
    stores = replace(local_platform.stores, ledger_url=ledger_url)
    sources = platform_sources(local_platform.settings, stores, tmp_path)
    collector = PlatformCollector(sources, lambda: clock[0])
    text = collector.text()
    begin = time.process_time()
    for clock[0] in range(15, 615, 15):  # ten minutes of a scrape every 15 seconds
        text = collector.text()
    cost = (time.process_time() - begin) / 40
    series = sum(1 for line in text.splitlines() if not line.startswith(b"#"))
    assert series > MODELS * 30
    assert cost < CPU_LIMIT, f"{series:,} series, {len(text):,} bytes, {cost * 1e3:.1f} ms"


def test_services_are_seen_from_outside_and_a_frozen_one_does_not_work(tmp_path: Path) -> None:
    """As `mlops heal` sees them: no variable of this process names them."""
    environ = {**os.environ, processes.MARKER: str(tmp_path), NAMES: "front,review"}
    started = subprocess.Popen(
        [sys.executable, "-c", "print(1, flush=True); input()"],
        env={**environ, processes.SERVICE: "review"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert started.stdout is not None
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path)})
    stores = Stores.on("postgresql://u@127.0.0.1:1")

    def states() -> dict[str, float]:
        values = values_of(
            one for one in platform_sources(settings, stores, tmp_path) if one.name == "services"
        )
        return {label: up for (metric, label), up in values.items() if metric == "mlops_service_up"}

    try:
        started.stdout.readline()
        assert states() == {"front": 0, "review": 1}
        started.send_signal(signal.SIGSTOP)
        wait_until(lambda: states() == {"front": 0, "review": 0})
    finally:
        started.kill()
        started.communicate()
    assert states() == {}


def source(name: str, rows: Rows | None) -> Source:
    def read() -> Rows:
        if rows is None:
            raise ServiceError("the database is down")
        return rows

    return Source(name, (next(one for one in FAMILIES if one.name == "mlops_backups"),), 0, read)


def test_a_source_that_fails_hides_no_other_and_keeps_no_old_value() -> None:
    collector = PlatformCollector([source("a", None), source("b", [{"value": 3}])])
    metrics = metrics_of(collector)
    assert value(metrics, "mlops_backups") == 3
    up = {one.labels["source"]: one.value for one in metrics[OWN[0].name].samples}
    assert up == {"a": 0, "b": 1}


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf"), "NaN", {"$number": "NaN"}])
def test_a_value_that_is_no_number_is_absent_and_never_zero(missing: object) -> None:
    assert metrics_of(PlatformCollector([source("a", [{"value": missing}])]))["mlops_backups"].samples == []


def test_rows_are_kept_as_long_as_their_source_says() -> None:
    clock, reads = [0.0], list[float]()
    family = next(one for one in FAMILIES if one.name == "mlops_backups")

    def read() -> Rows:
        reads.append(clock[0])
        return [{"value": len(reads)}]

    collector = PlatformCollector([Source("a", (family,), 60, read)], lambda: clock[0])
    for clock[0] in (0, 30, 59, 60, 61):
        collector.text()
    assert reads == [0, 60]


@contextmanager
def serving(token: str | None) -> Iterator[str]:
    """An exporter of one metric; its address."""
    listener = socket.create_server(("127.0.0.1", 0))
    app = MetricsApp(PlatformCollector([source("a", [{"value": 3}])]).text, token)
    with MetricsServer(listener, app) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield "http://{}:{}".format(*listener.getsockname())
        server.shutdown()
        thread.join()


def get(url: str, token: str | None = None) -> tuple[int, str]:
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_metrics_are_served_and_nothing_else() -> None:
    with serving(None) as url:
        status, text = get(f"{url}/metrics")
        assert (status, "mlops_backups 3.0" in text) == (200, True)
        assert get(f"{url}/health") == (200, "ok\n")
        assert get(f"{url}/")[0] == 404


def test_with_a_token_nobody_reads_without_it() -> None:
    with serving("right") as url:
        assert get(f"{url}/metrics") == (401, "send the token of MLOPS_EXPORTER_TOKEN\n")
        assert get(f"{url}/metrics", "wrong")[0] == 401
        assert get(f"{url}/metrics", "right")[0] == 200
        assert get(f"{url}/health")[0] == 200


def test_an_address_that_others_reach_needs_a_token() -> None:
    assert token_for("127.0.0.1", None) is None
    assert token_for("::1", "") is None
    assert token_for("0.0.0.0", "secret") == "secret"
    for host in ("0.0.0.0", "10.0.0.3", "exporter.example"):
        with pytest.raises(ServiceError, match="set MLOPS_EXPORTER_TOKEN"):
            token_for(host, None)


def test_names_and_labels_follow_the_conventions() -> None:
    names = [family.name for family in FAMILIES]
    assert len(set(names)) == len(names)
    for family in FAMILIES:
        assert family.name.startswith("mlops_")
        assert not family.name.endswith(("_total", "_count", "_sum", "_bucket")), "those are of counters"
        assert ("info" in family.name) == (family.column is None)
        assert family.help[0].isupper()
        assert not family.help.endswith(".")


def test_settings_have_no_secret_in_the_text(tmp_path: Path) -> None:
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path), "MLOPS_API_KEY": "planted-secret"})
    stores = Stores.on("postgresql://u:planted-secret@127.0.0.1:1")
    text = PlatformCollector(platform_sources(settings, stores, tmp_path)).text().decode()
    assert "planted-secret" not in text
    assert 'mlops_database_up{database="ledger"} 0.0' in text
    assert 'mlops_exporter_source_up{source="champions"} 0.0' in text

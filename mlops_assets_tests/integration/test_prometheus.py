"""A real Prometheus and a real Alertmanager: they scrape the exporter, and a dead database is one message, not ten."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml
from typing_extensions import override

from mlops_assets.operations.exporter import families
from mlops_assets.operations.exporter.collector import PlatformCollector, Source
from mlops_assets.operations.exporter.server import MetricsApp, MetricsServer
from mlops_assets_tests.waiting import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.integration]

FOLDER = Path(__file__).parents[2] / "deploy" / "monitoring"
TOKEN = "token-of-the-test"
MODELS = 10


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


class Pager:
    """The operator's receiver: keeps every message of Alertmanager."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        pager = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                pager.messages.append(json.loads(body))
                self.send_response(200)
                self.end_headers()

            @override
            def log_message(self, format: str, *args: Any) -> None:
                """Log nothing."""

        self.server = HTTPServer(("127.0.0.1", 0), Handler)

    def firing(self) -> list[set[str]]:
        """Names of the firing alerts of each message."""
        return [
            {one["labels"]["alertname"] for one in message["alerts"]}
            for message in self.messages
            if message["status"] == "firing"
        ]


@contextmanager
def in_thread(server: Any) -> Iterator[None]:
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def running(command: list[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(one) for one in command], stdout=output, stderr=output, cwd=log.parent
        )
        try:
            yield process
        finally:
            process.terminate()
            process.wait(30)


def platform(database_up: list[int]) -> PlatformCollector:
    """A platform whose database is up or down, with everything that goes wrong while it is down."""
    old = time.time() - 86_400

    def symptoms(**values: Any) -> list[dict[str, Any]]:
        return [] if database_up[0] else [values]

    def of_models() -> list[dict[str, Any]]:
        return [] if database_up[0] else [{"model": f"m{n}", "level": "unmeasurable"} for n in range(MODELS)]

    return PlatformCollector(
        [
            Source("up", families.DATABASE_UP, 0, lambda: [{"database": "ledger", "up": database_up[0]}]),
            Source("services", families.SERVICES, 0, lambda: symptoms(service="api", up=0, memory=1)),
            Source("heartbeats", families.HEARTBEATS, 0, lambda: symptoms(daemon="SENSOR", at=old)),
            Source(
                "ticks", families.TICKS, 0, lambda: symptoms(instigator="s", type="sensor", at=old, failed=1)
            ),
            Source("runs", families.RUNS, 0, lambda: symptoms(status="QUEUED", value=3, oldest=old)),
            Source("drift", families.DRIFT[:1], 0, of_models),
        ]
    )


def at_once(file: Path, target: Path) -> None:
    """Copy a configuration with its minutes and seconds of patience taken out."""
    text = re.sub(r"\bfor: \w+", "for: 0s", file.read_text())
    text = re.sub(r"_interval: (15s|5m)", "_interval: 1s", re.sub(r"group_wait: \w+", "group_wait: 4s", text))
    target.write_text(text)


def alerts_at(port: int) -> list[dict[str, Any]]:
    """Alerts that Alertmanager still has, sent or about to be."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=10) as response:
        alerts: list[dict[str, Any]] = json.load(response)
    return alerts


def query(url: str, expression: str) -> list[dict[str, Any]]:
    address = f"{url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"
    try:
        with urllib.request.urlopen(address, timeout=10) as response:
            result: list[dict[str, Any]] = json.load(response)["data"]["result"]
    except OSError:
        return []
    return result


def test_a_dead_database_is_one_message_and_its_end_is_told(tmp_path: Path) -> None:
    for name in ("prometheus", "prometheus-alertmanager"):
        if shutil.which(name) is None:
            pytest.skip(f"no {name} here; it is a Debian package")
    database_up = [1]
    app = MetricsApp(platform(database_up).text, TOKEN, keep_seconds=0.5)
    exporter = MetricsServer(socket.create_server(("127.0.0.1", 0)), app)
    pager, web, mail = Pager(), free_port(), free_port()

    at_once(FOLDER / "rules.yml", tmp_path / "rules.yml")
    at_once(FOLDER / "prometheus.yml", tmp_path / "prometheus.yml")
    at_once(FOLDER / "alertmanager.yml", tmp_path / "alertmanager.yml")
    (tmp_path / "exporter_token").write_text(TOKEN)
    scraping = yaml.safe_load((tmp_path / "prometheus.yml").read_text())
    scraping["scrape_configs"] = scraping["scrape_configs"][:1]
    scraping["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{exporter.server_port}"]}]
    scraping["alerting"]["alertmanagers"] = [{"static_configs": [{"targets": [f"127.0.0.1:{mail}"]}]}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(scraping))
    routing = yaml.safe_load((tmp_path / "alertmanager.yml").read_text())
    address = f"http://127.0.0.1:{pager.server.server_port}/alerts"
    routing["receivers"][0]["webhook_configs"] = [{"url": address}]
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(routing))

    prometheus = ["prometheus", "--config.file=prometheus.yml", f"--web.listen-address=127.0.0.1:{web}"]
    alertmanager = [
        *("prometheus-alertmanager", "--config.file=alertmanager.yml", f"--storage.path={tmp_path / 'am'}"),
        *(f"--web.listen-address=127.0.0.1:{mail}", "--cluster.listen-address="),
    ]
    url = f"http://127.0.0.1:{web}"
    with ExitStack() as stack:
        stack.enter_context(in_thread(exporter))
        stack.enter_context(in_thread(pager.server))
        stack.enter_context(running(list(alertmanager), tmp_path / "alertmanager.log"))
        stack.enter_context(
            running([*prometheus, f"--storage.tsdb.path={tmp_path / 'db'}"], tmp_path / "prometheus.log")
        )
        wait_until(
            lambda: bool(query(url, "mlops_database_up == 1")),
            30,
            lambda: (tmp_path / "prometheus.log").read_text(),
        )
        # before the first scrape nothing is known, which is an alert too when patience is taken out
        wait_until(lambda: not query(url, 'ALERTS{alertstate="firing"}'), 30)
        wait_until(lambda: not alerts_at(mail), 60)
        pager.messages.clear()
        database_up[0] = 0
        symptoms = 'count(ALERTS{alertstate="firing"})'
        wait_until(lambda: any(float(one["value"][1]) >= MODELS + 5 for one in query(url, symptoms)), 30)
        wait_until(lambda: bool(pager.messages), 30, lambda: (tmp_path / "alertmanager.log").read_text())
        database_up[0] = 1
        wait_until(lambda: any(one["status"] == "resolved" for one in pager.messages), 60)
    assert pager.firing() == [{"MlopsDatabaseDown"}]
    [message] = [one for one in pager.messages if one["status"] == "firing"]
    assert message["alerts"][0]["annotations"]["summary"] == "The database ledger does not respond"

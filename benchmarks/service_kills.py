"""Kills every process of `mlops up` in turn, `mlops up` itself at last, while callers predict and runs promote.

After each kill: every service does its work again, no rule of the ledger is broken, the champion predicts over HTTP,
and every label that was acknowledged and every promotion that was printed is in the ledger.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import psutil
from sklearn.datasets import load_diabetes
from sqlalchemy import text

from benchmarks.attacked_home import MODEL, Home, attacked_home
from mlops_assets import key_files
from mlops_assets.local import addresses, locks, processes
from mlops_assets.local.probes import gives_definitions, heartbeats, responds, unix_url
from mlops_assets.local.services import code_socket

SERVICES: Final = (
    "mlflow",
    "dagster-daemon",
    "api",
    "dagster-code",
    "code behind its proxy",
    "review",
    "exporter",
    "dagster-webserver",
    "front",
    "database",
    "mlops up",
)
PATIENCE: Final = 600.0
"""Seconds until every service has to be back; a busy machine takes minutes."""
BEFORE: Final = 25.0
"""A kill comes within so many seconds of the start of a run."""
READING: Final = dict.fromkeys(load_diabetes().feature_names, 1.0)
LAUNCH: Final = """mutation($selector: JobOrPipelineSelector!) {
  launchRun(executionParams: {selector: $selector, runConfigData: {}, mode: "default"})
  {__typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}}}"""
UNFINISHED: Final = """{runsOrError(filter: {statuses: [STARTED, STARTING, QUEUED, CANCELING]})
  {... on Runs {results {runId}}}}"""


@dataclass
class Load:
    """A caller who predicts and posts the truth, again and again, and what the API acknowledged."""

    home: Home
    done: threading.Event = field(default_factory=threading.Event)
    counts: Counter[str] = field(default_factory=Counter)
    labels: list[str] = field(default_factory=list)

    def call(self) -> None:
        """Predict and post a label until `done`."""
        while not self.done.wait(0.3):
            try:
                status, body = request(self.home, "api", f"/predict/{MODEL}", {"readings": [READING]})
                self.counts[f"predictions: {status}"] += 1
                if status == 200:
                    label = {"labels": [{"id": body["id"], "value": 1}]}
                    status, _ = request(self.home, "api", f"/labels/{MODEL}", label)
                    self.counts[f"labels: {status}"] += 1
                    if status == 200:
                        self.labels.append(body["id"])
            except (OSError, http.client.HTTPException, KeyError):
                self.counts["calls without a response"] += 1

    def lost(self) -> list[str]:
        """Return the acknowledged labels that the ledger lacks."""
        with self.home.platform.ledger._transaction() as connection:
            stored = set(connection.execute(text("select prediction_id from posted_labels")).scalars())
        return [one for one in tuple(self.labels) if one not in stored]


def request(home: Home, service: str, route: str, document: Any = None) -> tuple[int, Any]:
    """Ask a service as its owner does; status and JSON, or text."""
    where = urlsplit(addresses.running(home.platform.settings.home)[service])
    keys = {"api": key_files.API, "exporter": key_files.EXPORTER}
    key = key_files.read_key(home.platform.settings, keys.get(service, key_files.FRONT))
    headers = {"x-api-key": key} if service == "api" else {"Authorization": f"Bearer {key}"}
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=60)
    try:
        body = None if document is None else json.dumps(document)
        headers = {**headers, "Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", route, body, headers)
        response = connection.getresponse()
        content = response.read().decode()
        with suppress(ValueError):
            return response.status, json.loads(content)
        return response.status, content
    finally:
        connection.close()


def graphql(home: Home, query: str, **variables: Any) -> Any:
    """Ask Dagster's webserver; the data of the response."""
    status, body = request(home, "dagster-webserver", "/graphql", {"query": query, "variables": variables})
    if status != 200 or "data" not in body:
        raise OSError(f"Dagster responded {status}: {body}")
    return body["data"]


@contextmanager
def up(home: Home) -> Iterator[subprocess.Popen[bytes]]:
    """Run `mlops up` until every service works; stop it at the end."""
    with (home.platform.settings.home / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from mlops_assets.cli.main import main; main()", "up"],
            env=home.variables,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        wait(lambda: not broken(home), lambda: f"'mlops up' does not come up: {broken(home)}")
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def broken(home: Home) -> list[str]:
    """Return the services that do not do their work now."""
    folder = home.platform.settings.home
    code = code_socket(home.platform.settings)
    run = code.parent
    probes: dict[str, Callable[[], bool]] = {
        "database": lambda: locks.is_held(folder / "postgres" / "server.lock"),
        "dagster-code": lambda: gives_definitions(f"unix:{code}"),
        "dagster-daemon": lambda: heartbeats(unix_url(run / "web.sock", "/graphql"), time.time() - 120),
        "mlflow": lambda: request(home, "mlflow", "/health")[0] == 200,
        "dagster-webserver": lambda: request(home, "dagster-webserver", "/server_info")[0] == 200,
        "review": lambda: request(home, "review", "/login")[0] == 200,
        "exporter": lambda: request(home, "exporter", "/metrics")[0] == 200,
        "api": lambda: responds(f"{addresses.running(folder)['api']}/health"),
    }
    return [name for name, probe in probes.items() if not _works(probe)]


def _works(probe: Callable[[], bool]) -> bool:
    try:
        return probe()
    except (OSError, KeyError, http.client.HTTPException):
        return False


def wait(condition: Callable[[], bool], why: Callable[[], str]) -> float:
    """Wait until the condition holds, and return the seconds; end the attack when it does not."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > PATIENCE:
            sys.exit(why())
        time.sleep(0.5)
    return time.monotonic() - began


def victim(home: Home, name: str, running: subprocess.Popen[bytes]) -> int:
    """Return the process id of what is killed."""
    folder = home.platform.settings.home
    if name == "mlops up":
        return running.pid
    if name == "database":
        return locks.signature(folder / "postgres" / "server.lock") or 0  # 0: it starts again
    service = "dagster-code" if name == "code behind its proxy" else name
    family = [one for one in processes.marked(folder) if one.environ().get(processes.SERVICE) == service]
    oldest = min(family, key=lambda one: one.create_time())
    return oldest.children()[0].pid if name == "code behind its proxy" else oldest.pid


def kill(home: Home, name: str, running: subprocess.Popen[bytes], load: Load, counts: Counter[str]) -> None:
    """Kill one process while a run of Dagster and a run of the command line are under way; then check everything."""
    selector = {
        "repositoryLocationName": "mlops_assets",
        "repositoryName": "__repository__",
        "pipelineName": MODEL,
    }
    launched = graphql(home, LAUNCH, selector=selector)["launchRun"]
    if launched["__typename"] != "LaunchRunSuccess":
        sys.exit(f"a launch was refused: {launched}")
    command = home.command("run", MODEL, "--force")
    before = len(home.platform.ledger.history(MODEL, None))
    time.sleep(random.uniform(0, BEFORE))
    pid = victim(home, name, running)
    started = psutil.Process(pid).create_time()
    os.kill(pid, signal.SIGKILL)
    counts[f"killed: {name}"] += 1
    output, _ = command.communicate()
    if "Traceback" in output:
        sys.exit(f"{name} killed, and a run printed:\n{output}")
    counts["runs of the command line: " + ("whole" if command.returncode == 0 else "failed")] += 1
    if name == "mlops up":
        running.wait()
        return
    wait(lambda: not psutil.pid_exists(pid) or started != psutil.Process(pid).create_time(), lambda: name)
    seconds = wait(lambda: not broken(home), lambda: f"after a kill of {name}: {broken(home)}")
    promoted = "promoted: " in output
    if promoted and len(home.platform.ledger.history(MODEL, None)) <= before:
        sys.exit(f"{name} killed, and a promotion that was printed is lost")
    check(home, name, load)
    print(f"{name} killed: all back {seconds:.0f} s after the run ended; {dict(load.counts)}", flush=True)


def check(home: Home, name: str, load: Load) -> None:
    """End the attack where a rule is broken, a label is lost, a run never ends or the champion does not predict."""
    version = home.check(f"{name} killed")

    def predicts() -> bool:
        status, body = request(home, "api", f"/predict/{MODEL}", {"readings": [READING]})
        return status == 200 and body["version"] == home.check(name)

    wait(lambda: _works(predicts), lambda: f"{name} killed: the API does not serve version {version}")
    if lost := load.lost():
        sys.exit(f"{name} killed: {len(lost)} acknowledged labels are lost")
    wait(
        lambda: _works(lambda: not graphql(home, UNFINISHED)["runsOrError"]["results"]),
        lambda: f"{name} killed: a run never ends: {graphql(home, UNFINISHED)}",
    )


def service_kills(times: int, folder: Path | None) -> Counter[str]:
    """Kill each process of `mlops up` so many times, in turn, under a light load of predictions and runs."""
    counts: Counter[str] = Counter()
    with attacked_home(folder) as home:
        code, output = home.finished("run", MODEL, "--force")
        if code:
            sys.exit(output)
        load = Load(home)
        caller = threading.Thread(target=load.call, daemon=True)
        caller.start()
        for _ in range(times):
            with up(home) as running:
                for name in SERVICES:
                    kill(home, name, running, load, counts)
            with up(home):
                check(home, "mlops up", load)
                print(f"mlops up killed: all back after a new start; {dict(load.counts)}", flush=True)
        load.done.set()
        caller.join()
    return counts + load.counts

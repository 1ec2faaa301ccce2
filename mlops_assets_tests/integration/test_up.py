"""`mlops up`, really: an empty home, every service, one killed, Ctrl-C, and `kill -9`."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from mlops_assets.local import databases, locks, postgres, processes, runs
from mlops_assets.local.environment import environment
from mlops_assets.local.services import code_socket
from mlops_assets.settings import Settings
from mlops_assets_tests.waiting import patience, wait_until

pytestmark = [pytest.mark.slow, pytest.mark.integration]

REPOSITORY = Path(__file__).resolve().parents[2]
UP = """
import os, sys
from mlops_assets.errors import MlopsError
from mlops_assets.local.up import run_up
from mlops_assets.settings import Settings
try:
    sys.exit(run_up(Settings.from_environment(os.environ), echo=lambda line: print(line, flush=True)))
except MlopsError as error:
    sys.exit(str(error))
"""


class Up:
    """An `mlops up` in another process, and what it said."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.output = home / "output.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", UP],
                cwd=REPOSITORY,
                env=variables(home),
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def printed(self) -> str:
        """Everything so far."""
        return self.output.read_text()

    def wait_for(self, text: str, times: int = 1, patience: float = 240) -> None:
        """Until it has said so."""
        wait_until(
            lambda: self.printed().count(text) >= times or self.process.poll() is not None,
            patience,
            self.printed,
        )
        assert self.printed().count(text) >= times, self.printed()

    def addresses(self) -> dict[str, str]:
        """Where the services are, as written for other commands."""
        result: dict[str, str] = json.loads((self.home / "addresses.json").read_text())
        return result

    def of(self, text: str) -> psutil.Process:
        """The uppermost process of ours with these words on its command line."""
        result = [each for each in processes.marked(self.home) if text in " ".join(each.cmdline())]
        return min(result, key=lambda each: each.create_time())


def variables(home: Path) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))
    }
    return {**kept, "MLOPS_HOME": str(home), "MLOPS_MODELS": str(REPOSITORY / "models")}


def get(url: str, **headers: str) -> tuple[int, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=patience(30))
    try:
        connection.request("GET", parts.path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


STRANGER = r"""
import http.client, json, os, socket, sys
plan = json.loads(sys.stdin.read())
got = {"uid": os.getuid(), "lines": ""}
def attempt(what, act):
    try:
        act()
        got.setdefault("done", []).append(what)
    except OSError:
        pass
def connect(path):
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(5)
    client.connect(path)
for path in plan["paths"]:
    attempt(f"read {path}", lambda: os.listdir(path) if os.path.isdir(path) else open(path, "rb").read(1))
    attempt(f"write {path}", lambda: open(path + "/x" if os.path.isdir(path) else path, "ab").write(b"x"))
for path in plan["sockets"]:
    attempt(f"connect {path}", lambda: connect(path))
for port, method, route, body in plan["requests"]:
    for headers in ({}, {"Authorization": "Bearer x"}, {"Cookie": "mlops_session=x; mlops_review=x"},
                    {"x-api-key": "x"}, {"Origin": f"http://127.0.0.1:{port}"}):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        client.request(method, route, body, {"Content-Type": "application/json", **headers})
        status = client.getresponse().status
        if status != 401:
            got.setdefault("done", []).append(f"{status} {method} {port}{route} {headers}")
for pid in filter(str.isdigit, os.listdir("/proc")):
    try:
        got["lines"] += open(f"/proc/{pid}/cmdline").read()
    except OSError:
        pass
    if int(pid) in plan["pids"]:
        attempt(f"environment of {pid}", lambda: open(f"/proc/{pid}/environ").read())
print(json.dumps(got))
"""
REQUESTS: dict[str, list[tuple[str, str, str | None]]] = {
    "mlflow": [
        ("GET", "/", None),
        ("POST", "/api/2.0/mlflow/experiments/create", '{"name": "x", "artifact_location": "file:///"}'),
        ("POST", "/api/2.0/mlflow/runs/create", '{"experiment_id": "0"}'),
        ("POST", "/ajax-api/2.0/mlflow/upload-artifact?run_uuid=x&path=x", "x"),
        ("GET", "/get-artifact?path=x&run_uuid=x", None),
        ("PUT", "/api/2.0/mlflow-artifacts/artifacts/x", "x"),
        (
            "POST",
            "/api/2.0/mlflow/registered-models/alias",
            '{"name": "x", "alias": "champion", "version": "1"}',
        ),
        ("DELETE", "/api/2.0/mlflow/registered-models/delete", '{"name": "x"}'),
    ],
    "dagster-webserver": [
        ("GET", "/", None),
        ("GET", "/server_info", None),
        ("GET", "/graphql?query={version}", None),
        (
            "POST",
            "/graphql",
            '{"query": "mutation { shutdownRepositoryLocation(repositoryLocationName: 1) }"}',
        ),
        ("GET", "/logs/x/compute_logs/x/stdout", None),
    ],
    "api": [
        ("GET", "/models", None),
        ("POST", "/models/pump_efficiency/predict", "{}"),
        ("GET", "/docs", None),
    ],
    "exporter": [("GET", "/metrics", None)],
    "review": [("GET", "/", None), ("GET", "/login", None), ("POST", "/login", "name=a&key=b")],
}


def assert_a_stranger_gets_nothing(home: Path, addresses: dict[str, str], keys: tuple[str, ...]) -> None:
    """Another user of this machine, who knows every path and port, reads, writes and starts nothing."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return  # only root can be somebody else
    passable = {home, home / "postgres"}
    below = [path for path in home.rglob("*") if path not in passable and not path.is_symlink()]
    sockets = [path for path in below if path.is_socket()]
    assert len(sockets) >= 4
    plan = {
        "paths": [str(path) for path in (home, home / "postgres", *below) if not path.is_socket()],
        "sockets": [str(path) for path in sockets],
        "requests": [
            (urlsplit(addresses[name]).port, *request) for name in addresses for request in REQUESTS[name]
        ],
        "pids": [process.pid for process in processes.marked(home)],
    }
    stranger = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    program = [os.path.realpath(sys.executable), "-I", "-S", "-c", STRANGER]
    done = subprocess.run(
        [*stranger, *program], input=json.dumps(plan), capture_output=True, text=True, cwd="/"
    )
    assert done.returncode == 0, done.stderr
    got = json.loads(done.stdout)
    assert got["uid"] != 0
    assert got.get("done", []) == []
    assert [key for key in keys if key in got["lines"]] == [], "a key on a command line"


def survivors(home: Path) -> list[str]:
    """Processes of this home, its PostgreSQL included."""
    result = []
    for process in [*processes.marked(home), *psutil.process_iter()]:
        try:
            line = " ".join(process.cmdline())
            if process.pid != os.getpid() and (str(home) in line or process in processes.marked(home)):
                result.append(line)
        except psutil.Error:
            continue
    return result


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="up", dir="/tmp"))
    yield path
    processes.sweep(path, grace=5)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def up(home: Path) -> Iterator[Up]:
    started = Up(home)
    started.wait_for("Ctrl-C stops everything")
    yield started
    if started.process.poll() is None:
        started.process.kill()
        started.process.wait()
        wait_until(lambda: not survivors(home))


def test_it_starts_on_an_empty_home_mends_itself_and_stops_without_a_trace(up: Up) -> None:
    assert "GIVEN UP" not in up.printed()
    assert "do not load" not in up.printed()
    addresses = up.addresses()
    assert set(addresses) == {"mlflow", "dagster-webserver", "api", "review", "exporter"}
    key = (up.home / "api_key").read_text().strip()
    session = (up.home / "front_key").read_text().strip()
    signed_in = {"Authorization": f"Bearer {session}"}
    # another user of the machine gets nothing from Dagster and MLflow, the owner of the key everything
    assert get(f"{addresses['mlflow']}/health")[0] == 401
    assert get(f"{addresses['dagster-webserver']}/server_info")[0] == 401
    assert get(f"{addresses['mlflow']}/health", **signed_in) == (200, "OK")
    assert get(f"{addresses['dagster-webserver']}/server_info", **signed_in)[0] == 200
    assert f"{addresses['dagster-webserver']}/?session={session}" in up.printed()
    assert up.home.stat().st_mode & 0o066 == 0
    assert get(f"{addresses['review']}/login")[0] == 401
    assert get(f"{addresses['review']}/login", **signed_in)[0] == 200
    review_key = (up.home / "review_key").read_text().strip()
    assert_a_stranger_gets_nothing(up.home, addresses, (key, session, review_key))
    exporter_key = {"Authorization": f"Bearer {(up.home / 'exporter_key').read_text().strip()}"}
    assert get(f"{addresses['exporter']}/metrics")[0] == 401
    assert 'mlops_service_up{service="api"}' in get(f"{addresses['exporter']}/metrics", **exporter_key)[1]
    assert get(f"{addresses['api']}/health")[0] == 200
    assert get(f"{addresses['api']}/models")[0] == 401
    assert get(f"{addresses['api']}/models", **{"x-api-key": key})[0] == 200

    # a browser that was tricked into sending here names another host
    assert get(f"{addresses['mlflow']}/api/2.0/mlflow/experiments/search", Host="evil.example")[0] == 403

    listening = {
        connection.laddr.ip
        for process in processes.marked(up.home)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}

    refused = subprocess.run(
        [sys.executable, "-c", UP], cwd=REPOSITORY, env=variables(up.home), capture_output=True, text=True
    )
    assert refused.returncode == 1
    assert f"(process {up.process.pid})" in refused.stderr

    up.of("mlflow server").kill()
    up.wait_for("MLflow was killed by signal 9; starting it again")
    up.wait_for("MLflow is ready", times=2)
    assert get(f"{addresses['mlflow']}/health", **signed_in) == (200, "OK")

    # the process behind the code server's proxy, which stays alive and calls itself healthy
    up.of("api grpc").suspend()
    up.wait_for("Dagster code location runs but has not done its work", patience=400)
    up.wait_for("Dagster code location is ready", times=2)

    server = locks.signature(up.home / "postgres" / "server.lock")
    assert server is not None
    os.kill(server, signal.SIGKILL)
    up.wait_for("PostgreSQL is ready again")
    wait_until(lambda: get(f"{addresses['api']}/models", **{"x-api-key": key})[0] == 200)

    up.process.send_signal(signal.SIGINT)
    assert up.process.wait(60) == 0
    assert up.printed().rstrip().endswith("Everything has stopped")
    assert survivors(up.home) == []
    assert not (up.home / "addresses.json").exists()


def test_two_at_once_each_serve_their_own_home(up: Up) -> None:
    """The second finds every port in use and takes others; a key of one home opens nothing of the other."""
    home = Path(tempfile.mkdtemp(prefix="up", dir="/tmp"))
    second = Up(home)
    try:
        second.wait_for("Ctrl-C stops everything", patience=400)
        both = [(one.addresses(), one.home) for one in (up, second)]
        ports = [address for addresses, _ in both for address in addresses.values()]
        assert len(set(ports)) == len(ports)
        keys = [(home / "api_key").read_text().strip() for _, home in both]
        sessions = [(home / "front_key").read_text().strip() for _, home in both]
        for number, (addresses, _) in enumerate(both):
            for other in (0, 1):
                own = number == other
                status = get(f"{addresses['api']}/models", **{"x-api-key": keys[other]})[0]
                assert status == (200 if own else 401)
                for name in ("mlflow", "dagster-webserver", "review"):
                    bearer = {"Authorization": f"Bearer {sessions[other]}"}
                    route = {"mlflow": "/health", "dagster-webserver": "/server_info", "review": "/login"}[
                        name
                    ]
                    assert get(f"{addresses[name]}{route}", **bearer)[0] == (200 if own else 401)
    finally:
        second.process.terminate()
        second.process.wait(patience(60))
        wait_until(lambda: not survivors(home))
        shutil.rmtree(home)


def test_a_kill_leaves_nothing_and_the_next_start_works(up: Up) -> None:
    assert survivors(up.home)
    up.process.kill()
    up.process.wait()
    wait_until(lambda: not survivors(up.home), why=lambda: "\n".join(survivors(up.home)))
    again = Up(up.home)
    again.wait_for("Ctrl-C stops everything")
    again.process.terminate()
    assert again.process.wait(60) == 0
    assert survivors(up.home) == []


def test_a_home_that_is_removed_ends_it_without_leftovers(up: Up) -> None:
    # renamed, because deleting races with a server that still writes
    (up.home / "postgres").rename(up.home.with_name(f"{up.home.name}-removed"))
    assert up.process.wait(60) == 1
    assert "was removed while 'mlops up' ran on it" in up.printed()
    shutil.rmtree(up.home.with_name(f"{up.home.name}-removed"))
    wait_until(lambda: not survivors(up.home), why=lambda: "\n".join(survivors(up.home)))


PREPARE = """
import json, os, sys, time
from mlops_assets.local import postgres
from mlops_assets.settings import Settings
settings = Settings.from_environment(os.environ)
postgres.prepare(settings)
heavy = {"alembic", "dagster", "mlflow", "sqlalchemy"} & set(sys.modules)
print(json.dumps([time.process_time(), sorted(heavy)]))
"""


def test_migrations_run_once_whoever_comes_first_and_are_quick_afterwards() -> None:
    home = Path(tempfile.mkdtemp(prefix="prepare", dir="/tmp"))

    def prepare() -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", PREPARE],
            cwd=REPOSITORY,
            env=variables(home),
            stdout=subprocess.PIPE,
            text=True,
        )

    for process in [prepare() for _ in range(3)]:
        process.communicate(timeout=patience(240))
        assert process.returncode == 0
    wait_until(lambda: not survivors(home))
    again = prepare()
    seconds, heavy = json.loads(again.communicate(timeout=patience(60))[0])
    assert again.returncode == 0
    assert heavy == []  # nothing was imported to find that all is done
    assert seconds < patience(1 / 3)
    settings = Settings.from_environment(variables(home))
    postgres.release(settings)
    wait_until(lambda: not survivors(home))
    shutil.rmtree(home)


def test_a_first_migration_that_was_killed_is_begun_anew_and_other_peoples_tables_are_kept() -> None:
    home = Path(tempfile.mkdtemp(prefix="prepare", dir="/tmp"))
    settings = Settings.from_environment(variables(home))
    stores = postgres.start(settings)
    for url, mark in ((stores.dagster_url, postgres.UNFINISHED), (stores.ledger_url, None)):
        connection = databases.connect(url)
        with connection.cursor() as cursor:
            # a table of Dagster's, half made; a table of somebody else beside the ledger
            cursor.execute("create table runs (x int)")
        if mark:
            assert databases.mark(connection, "mlops_dagster", mark)
        connection.close()
    message: list[str] = []
    postgres.prepare(settings, message.append)
    assert message == ["Migrating the databases (once per version, some seconds)"]
    counted = {}
    for url in (stores.dagster_url, stores.ledger_url):
        connection = databases.connect(url)
        with connection.cursor() as cursor:
            cursor.execute("select column_name from information_schema.columns where table_name = 'runs'")
            counted[url] = {name for (name,) in cursor.fetchall()}
        connection.close()
    assert "run_id" in counted[stores.dagster_url]
    assert counted[stores.ledger_url] == {"x"}
    postgres.prepare(settings, message.append)
    assert len(message) == 1
    assert postgres.release(settings)
    shutil.rmtree(home)


RUNS = """
import json, sys
import dagster as dg
from dagster import DagsterRun, DagsterRunStatus
ours, others = sys.argv[1:]
mark = ".dagster/grpc_info"
with dg.DagsterInstance.get() as instance:
    def add(name, status, socket):
        tags = {mark: json.dumps({"host": "localhost", "socket": socket})} if socket else {}
        instance.add_run(DagsterRun(job_name=name, status=DagsterRunStatus[status], tags=tags))
    if not instance.get_runs_count():
        add("started", "STARTED", ours)
        add("canceling", "CANCELING", ours)
        add("finished", "SUCCESS", ours)
        add("of a command", "STARTED", None)
        add("of another", "STARTED", others)
    print(json.dumps({run.job_name: run.status.value for run in instance.get_runs()}))
"""


def test_runs_whose_worker_is_gone_are_failed_and_no_others() -> None:
    home = Path(tempfile.mkdtemp(prefix="runs", dir="/tmp"))
    settings = Settings.from_environment(variables(home))
    stores = postgres.prepare(settings)
    socket = code_socket(settings)

    def statuses() -> dict[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", RUNS, str(socket), f"{socket}2"],
            env=environment(settings, stores),
            capture_output=True,
            text=True,
            check=True,
        )
        result: dict[str, str] = json.loads(done.stdout)
        return result

    assert runs.fail_orphans(settings, stores, socket, "gone") == 0
    before = statuses()
    assert runs.fail_orphans(settings, stores, socket, "gone") == 2
    assert statuses() == {**before, "started": "FAILURE", "canceling": "CANCELED"}
    assert runs.fail_orphans(settings, stores, socket, "gone") == 0
    assert postgres.release(settings)
    shutil.rmtree(home)

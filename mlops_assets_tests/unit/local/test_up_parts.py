"""The parts of `mlops up` that need no server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlops_assets.errors import ServiceError
from mlops_assets.key_files import API, FRONT, create_key
from mlops_assets.local import locks, orphan_reaper, probes, processes
from mlops_assets.local.environment import make_home, open_to_others
from mlops_assets.local.ports import HOST
from mlops_assets.local.probes import gives_definitions, heartbeats, load_error, responds
from mlops_assets.local.services import Listeners, Ports, services
from mlops_assets.local.up import listen_on, run_up
from mlops_assets.settings import Settings, Stores
from mlops_assets_tests.waiting import wait_until

PASSWORD = "hunter2"
STORES = Stores.on(f"postgresql://u:{PASSWORD}@db.example")


@contextmanager
def serving(status: int, data: Any = None) -> Iterator[str]:
    """A web server that gives one answer to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps({"data": data}).encode())

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None: ...

    server = HTTPServer((HOST, 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://{HOST}:{server.server_port}/graphql"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_key_is_made_once_and_is_nobody_elses(tmp_path: Path) -> None:
    path = create_key(tmp_path, API)
    key = path.read_text()
    assert len(key.strip()) >= 43
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert create_key(tmp_path, API).read_text() == key
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_was_never_written_is_written(tmp_path: Path) -> None:
    (tmp_path / "api_key").touch()
    assert len(create_key(tmp_path, API).read_text().strip()) >= 43


def test_another_port_is_chosen_and_named(tmp_path: Path) -> None:
    message: list[str] = []
    with socket.create_server((HOST, 0)) as busy:
        used = busy.getsockname()[1]
        listeners = listen_on(Ports(dagster=used, mlflow=used, api=21_000), message.append)
        ports = listeners.ports
        listeners.close()
    assert len({ports.dagster, ports.mlflow, ports.api, used}) == 4
    assert message[:2] == [
        f"Port {used} is in use; Dagster listens on {ports.dagster}",
        f"Port {used} is in use; MLflow listens on {ports.mlflow}",
    ]


def test_a_second_up_on_the_same_home_is_refused(tmp_path: Path) -> None:
    kept = locks.acquire(tmp_path / "up.lock")
    assert kept is not None
    locks.sign(kept)
    message: list[str] = []
    with pytest.raises(ServiceError, match=rf"already runs on .* \(process {os.getpid()}\)"):
        run_up(Settings.from_environment({"MLOPS_HOME": str(tmp_path)}), echo=message.append)
    os.close(kept)
    assert message == []


def test_a_server_that_does_not_answer_ends_it_without_its_password_shown(tmp_path: Path) -> None:
    address = f"postgresql://u:{PASSWORD}@{HOST}:1"
    settings = Settings.from_environment({"MLOPS_HOME": str(tmp_path), "MLOPS_DATABASE_URL": address})
    with pytest.raises(ServiceError, match="Check MLOPS_DATABASE_URL") as caught:
        run_up(settings, echo=lambda _: None)
    assert PASSWORD not in str(caught.value)
    assert not locks.is_held(tmp_path / "up.lock")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "dagster").mkdir()
    return Settings.from_environment(
        {"MLOPS_HOME": str(tmp_path), "MLOPS_DATABASE_URL": f"postgresql://u:{PASSWORD}@db"}
    )


@pytest.fixture
def listeners() -> Iterator[Listeners]:
    """Any ports."""
    listeners = Listeners.on(Ports(0, 0, 0, 0, 0))
    yield listeners
    listeners.close()


def test_no_password_is_on_a_command_line_and_all_bind_this_machine_only(
    settings: Settings, listeners: Listeners
) -> None:
    parts = services(settings, STORES, listeners)
    session = create_key(settings.home, FRONT).read_text().strip()
    for part in parts:
        assert PASSWORD not in " ".join(part.command)
        assert session not in " ".join(part.command)
        assert part.environment[processes.MARKER] == str(settings.home)
        assert part.environment["MLOPS_HOST"] == HOST
        assert "0.0.0.0" not in " ".join(part.command)
        assert part.address is None or HOST in part.address
    assert {part.name for part in parts} == {
        "front",
        "mlflow",
        "dagster-code",
        "dagster-webserver",
        "dagster-daemon",
        "api",
        "review",
        "exporter",
    }


def test_runs_log_to_the_server_and_the_server_to_the_database(
    settings: Settings, listeners: Listeners
) -> None:
    parts = {part.name: part.environment for part in services(settings, STORES, listeners)}
    assert parts["dagster-code"]["MLFLOW_TRACKING_URI"] == f"http://{HOST}:{listeners.ports.mlflow}"
    session = create_key(settings.home, FRONT).read_text().strip()
    assert parts["dagster-code"]["MLFLOW_TRACKING_TOKEN"] == session
    assert parts["dagster-code"]["MLOPS_REVIEW_URL"] == f"http://{HOST}:{listeners.ports.review}"
    assert parts["mlflow"]["MLFLOW_BACKEND_STORE_URI"] == STORES.mlflow_url
    assert "MLFLOW_TRACKING_URI" not in parts["mlflow"]


def test_an_mlflow_server_elsewhere_needs_none_here(settings: Settings, listeners: Listeners) -> None:
    environ = {**settings.environ, "MLFLOW_TRACKING_URI": "https://mlflow.example"}
    parts = services(Settings.from_environment(environ), STORES, listeners)
    assert "mlflow" not in {part.name for part in parts}
    assert {part.environment["MLFLOW_TRACKING_URI"] for part in parts} == {"https://mlflow.example"}


def test_ready_means_200(tmp_path: Path) -> None:
    with serving(200) as url:
        assert responds(url)
    with serving(503) as url:
        assert not responds(url)
    assert not responds(url)


def test_a_code_server_that_only_accepts_connections_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probes, "GRPC_SECONDS", 0.2)
    path = tmp_path / "s"
    assert not gives_definitions(f"unix:{path}")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        assert not gives_definitions(f"unix:{path}")


def test_the_home_is_its_owner_s_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    make_home(home)
    assert home.stat().st_mode & 0o777 == 0o700
    assert not open_to_others(home)
    home.chmod(0o755)
    assert open_to_others(home)
    make_home(home)
    assert not open_to_others(home)


def test_what_an_earlier_release_left_open_is_closed_where_others_pass_through(tmp_path: Path) -> None:
    """As root PostgreSQL's user passes through the home, so the modes below it count."""
    home = tmp_path / "home"
    for name in ("bundles", "data", "postgres"):
        (home / name).mkdir(parents=True)
        (home / name).chmod(0o755)
    (home / "addresses.json").touch()
    (home / "addresses.json").chmod(0o644)
    (home / "link").symlink_to("/")
    home.chmod(0o701)
    opened = {home / name for name in ("bundles", "data", "postgres", "addresses.json")}
    assert set(open_to_others(home)) == opened
    make_home(home)
    assert open_to_others(home) == ()
    modes = {path.name: path.lstat().st_mode & 0o777 for path in (home, *opened)}
    assert modes == {
        "home": 0o701,
        "bundles": 0o700,
        "data": 0o700,
        "postgres": 0o701,
        "addresses.json": 0o600,
    }


def test_what_a_child_writes_is_its_owner_s_alone(tmp_path: Path) -> None:
    code = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text('x')"
    command = [sys.executable, "-S", "-c", code, str(tmp_path / "file")]
    before = os.umask(0o022)
    try:
        assert processes.spawn(command, os.environ, tmp_path / "log").wait(60) == 0
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


def beat(at: float | None, *, required: bool = True) -> dict[str, Any]:
    return {"daemonType": "SENSOR", "required": required, "healthy": True, "lastHeartbeatTime": at}


@pytest.mark.parametrize(
    "beats, expected",
    [
        ([beat(11.0), beat(10.0)], True),
        ([beat(11.0), beat(9.0)], False),  # of the daemon before this one
        ([beat(11.0), beat(None)], False),
        ([beat(11.0), beat(None, required=False)], True),
        ([], False),
    ],
)
def test_the_daemon_is_ready_when_all_that_is_required_has_beaten(beats: list[Any], expected: bool) -> None:
    with serving(200, {"instance": {"daemonHealth": {"allDaemonStatuses": beats}}}) as url:
        assert heartbeats(url, since=10.0) is expected


def test_model_files_that_do_not_load_are_told_in_one_line() -> None:
    problem = {
        "__typename": "PythonError",
        "message": "loading failed",
        "errorChain": [{"error": {"message": "why\n"}}],
    }
    for error, expected in ((None, None), (problem, "but the model files do not load: why")):
        entry = {"name": "mlops_assets", "locationOrLoadError": error}
        with serving(200, {"workspaceOrError": {"locationEntries": [entry]}}) as url:
            assert load_error(url) == expected


SUPERVISOR = """
import os, subprocess, sys, time
from pathlib import Path
from mlops_assets.local import orphan_reaper, processes
home = Path(sys.argv[1])
reaper = orphan_reaper.start(home, os.environ)
ours = {**os.environ, processes.MARKER: str(home)}
code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(60)"
subprocess.Popen([sys.executable, "-S", "-c", code], env=ours, start_new_session=True)
print(reaper.pid, flush=True)
time.sleep(60)
"""


def test_nothing_outlives_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISOR, str(tmp_path)], stdout=subprocess.PIPE
    ) as supervisor:
        assert supervisor.stdout is not None
        reaper = int(supervisor.stdout.readline())
        assert len(processes.marked(tmp_path)) == 1
        supervisor.send_signal(signal.SIGKILL)
    wait_until(lambda: not processes.marked(tmp_path))
    wait_until(
        lambda: (
            not Path(f"/proc/{reaper}").exists() or "Z" in Path(f"/proc/{reaper}/stat").read_text().split()
        )
    )


def test_a_dismissed_reaper_ends_nothing(tmp_path: Path) -> None:
    ours = {**os.environ, processes.MARKER: str(tmp_path)}
    command = [sys.executable, "-S", "-c", "import time; time.sleep(60)"]
    with subprocess.Popen(command, env=ours) as bystander:
        reaper = orphan_reaper.start(tmp_path, os.environ)
        orphan_reaper.dismiss(reaper)
        assert reaper.returncode == 0
        assert bystander.poll() is None
        bystander.kill()

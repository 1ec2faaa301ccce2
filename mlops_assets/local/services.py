"""What `mlops up` starts, and how it knows that each part is ready.

Comes in: `Settings`, `Stores`, ports. Goes out: `Service` values for the supervisor. Passwords travel in environments,
never on command lines, which everybody on the machine can read.
"""

from __future__ import annotations

import http.client
import json
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mlops_assets.local import processes, sockets
from mlops_assets.local.environment import dagster_home, environment
from mlops_assets.local.ports import HOST
from mlops_assets.local.supervisor import Service
from mlops_assets.settings import Settings, Stores

DEFINITIONS = "mlops_assets.definitions"
LOCATION = "mlops_assets"


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the services listen."""

    dagster: int = 3000
    mlflow: int = 5000
    api: int = 8000


def services(settings: Settings, stores: Stores, ports: Ports) -> list[Service]:
    """Return every service, in the order in which a person reads about them."""
    tracking = settings.mlflow_tracking_uri or f"http://{HOST}:{ports.mlflow}"
    base = {
        **environment(settings, stores),
        "MLFLOW_TRACKING_URI": tracking,
        "MLOPS_HOST": HOST,
        processes.MARKER: str(settings.home),
    }
    logs = settings.home / "logs"
    code = code_socket(settings)
    sockets.make(code.parent)
    code.unlink(missing_ok=True)
    workspace = _write_workspace(settings, code)
    parts = [
        _code_server(base, logs, code),
        _webserver(base, logs, workspace, ports.dagster),
        _daemon(base, logs, workspace, ports.dagster),
        _prediction_api(base, logs, ports.api),
    ]
    if settings.mlflow_tracking_uri is None:
        parts.insert(0, _mlflow(settings, stores, base, logs, ports.mlflow))
    return parts


def _mlflow(settings: Settings, stores: Stores, base: Mapping[str, str], logs: Path, port: int) -> Service:
    """Describe the MLflow server; one worker is enough for one person.

    Artifacts have plain file addresses, the same for clients of this server and for those that use the database; the
    server shows them and also serves `mlflow-artifacts:` addresses.
    """
    own = {
        **base,
        "MLFLOW_BACKEND_STORE_URI": stores.mlflow_url,
        "MLFLOW_DEFAULT_ARTIFACT_ROOT": settings.artifact_root,
        "MLFLOW_ARTIFACTS_DESTINATION": settings.artifact_root,
        "MLFLOW_WORKERS": "1",
        # against pages of other sites that a browser could be tricked into sending here
        "MLFLOW_SERVER_ALLOWED_HOSTS": f"{HOST}:{port},localhost:{port}",
        "MLFLOW_SERVER_CORS_ALLOWED_ORIGINS": f"http://{HOST}:{port},http://localhost:{port}",
        # background jobs are for language models: three more processes
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    own.pop("MLFLOW_TRACKING_URI", None)
    return Service(
        name="mlflow",
        title="MLflow",
        command=(sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(port)),
        environment=own,
        log=logs / "mlflow.log",
        ready=lambda _: responds(f"http://{HOST}:{port}/health"),
        address=f"http://{HOST}:{port}",
        wave=1,
    )


def _code_server(base: Mapping[str, str], logs: Path, code: Path) -> Service:
    """Describe the code server: it loads the model files for webserver and daemon, and starts the runs."""
    arguments = ["-m", "dagster", "code-server", "start", "--socket", str(code), "--module-name", DEFINITIONS]
    return Service(
        name="dagster-code",
        title="Dagster code location",
        command=(
            sys.executable,
            *arguments,
            "--location-name",
            LOCATION,
            "--use-python-environment-entry-point",
        ),
        environment=base,
        log=logs / "dagster-code.log",
        ready=lambda _: listens(code),
    )


def _webserver(base: Mapping[str, str], logs: Path, workspace: Path, port: int) -> Service:
    arguments = [
        "-m",
        "dagster_webserver",
        "--host",
        HOST,
        "--port",
        str(port),
        "--workspace",
        str(workspace),
    ]
    return Service(
        name="dagster-webserver",
        title="Dagster",
        command=(sys.executable, *arguments),
        environment=base,
        log=logs / "dagster-webserver.log",
        ready=lambda _: responds(f"http://{HOST}:{port}/server_info"),
        address=f"http://{HOST}:{port}",
        needs=("dagster-code",),
        remark=lambda: load_error(f"http://{HOST}:{port}/graphql"),
    )


def _daemon(base: Mapping[str, str], logs: Path, workspace: Path, port: int) -> Service:
    return Service(
        name="dagster-daemon",
        title="Dagster daemon (schedules, sensors, run queue)",
        command=(sys.executable, "-m", "dagster._daemon", "run", "--workspace", str(workspace)),
        environment=base,
        log=logs / "dagster-daemon.log",
        ready=lambda began: heartbeats(f"http://{HOST}:{port}/graphql", began),
        needs=("dagster-code",),
    )


def _prediction_api(base: Mapping[str, str], logs: Path, port: int) -> Service:
    return Service(
        name="api",
        title="Prediction API",
        command=(sys.executable, "-m", "mlops_assets.serving"),
        environment={**base, "MLOPS_API_PORT": str(port)},
        log=logs / "api.log",
        ready=lambda _: responds(f"http://{HOST}:{port}/health"),
        address=f"http://{HOST}:{port}",
        wave=1,
    )


def code_socket(settings: Settings) -> Path:
    """Return the code server's socket: whoever can connect to it can run code, so it is not a port."""
    return sockets.folder(settings.home / "run", "code.sock") / "code.sock"


def _write_workspace(settings: Settings, code: Path) -> Path:
    """Write the workspace of webserver and daemon: the shared code server. JSON is YAML."""
    path = dagster_home(settings) / "workspace.yaml"
    server = {"socket": str(code), "host": "localhost", "location_name": LOCATION}
    path.write_text(json.dumps({"load_from": [{"grpc_server": server}]}) + "\n")
    return path


def responds(url: str) -> bool:
    """Return whether the address responds with 200."""
    return _http(url) is not None


def listens(path: Path) -> bool:
    """Return whether something accepts connections on the unix socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as trial:
        trial.settimeout(2)
        try:
            trial.connect(str(path))
        except OSError:
            return False
    return True


def heartbeats(graphql: str, since: float) -> bool:
    """Return whether every required daemon has sent a heartbeat since then; the webserver knows."""
    data = _graphql(
        graphql, "{instance{daemonHealth{allDaemonStatuses{daemonType required healthy lastHeartbeatTime}}}}"
    )
    if data is None:
        return False
    needed = [each for each in data["instance"]["daemonHealth"]["allDaemonStatuses"] if each["required"]]
    return bool(needed) and all((each["lastHeartbeatTime"] or 0) >= since for each in needed)


def load_error(graphql: str) -> str | None:
    """Return why Dagster could not load the model files, in one line; None when it could."""
    query = (
        "{workspaceOrError{... on Workspace{locationEntries{name locationOrLoadError{__typename "
        "... on PythonError{message errorChain{error{message}}}}}}}}"
    )
    data = _graphql(graphql, query)
    for entry in data["workspaceOrError"].get("locationEntries", []) if data else []:
        problem = entry["locationOrLoadError"]
        if problem and problem["__typename"] == "PythonError":
            causes = [problem["message"], *(each["error"]["message"] for each in problem["errorChain"] or [])]
            return f"but the model files do not load: {causes[-1].strip()}"
    return None


def _graphql(url: str, query: str) -> Any | None:
    response = _http(url, json.dumps({"query": query}))
    return None if response is None else json.loads(response).get("data")


def _http(url: str, body: str | None = None, timeout: float = 5.0) -> bytes | None:
    """Return the body of a 200 response, else None. No proxy: the address is always this machine."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or HOST, parts.port, timeout=timeout)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("GET" if body is None else "POST", parts.path or "/", body, headers)
        response = connection.getresponse()
        content = response.read()
        return content if response.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
